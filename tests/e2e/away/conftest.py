"""An installation whose Redis and PostgreSQL may be taken away while others are at work."""

from collections.abc import Iterator

import pytest

from tests.conftest import Kubectl
from tests.e2e.forge import Forge
from tests.e2e.release import second_release


@pytest.fixture(scope="session")
def forge(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    """In place of the cluster's first installation."""
    with second_release(kubectl, "away", tmp_path_factory.mktemp("release"), crds={"apply": False}) as release:
        release.upgrade()
        yield release.forge()
