"""What every image of ours has in common, looked at in the image itself."""

import json

import pytest
import yaml

from tests.conftest import LOCAL, ROOT
from tests.services.docker import docker

pytestmark = pytest.mark.cluster
KINDS = sorted(path.parent.name for path in (ROOT / "job-images").glob("*/Dockerfile"))
WHICH = [("operator",), ("api",), ("cloneCache",), *(("runners", kind) for kind in KINDS)]
WITHOUT_BYTECODE = """
import json
from importlib.util import cache_from_source
from pathlib import Path
from sysconfig import get_path

library = Path(get_path("stdlib"))
modules = [path for path in library.rglob("*.py") if "site-packages" not in path.parts]
ours = [*Path("/app/project").rglob("*.py")]
missing = [str(path) for path in modules + ours if not Path(cache_from_source(path)).exists()]
print(json.dumps({"modules": len(modules), "ours": len(ours), "missing": missing}))
"""


@pytest.fixture(params=WHICH, ids="/".join)
def image(request: pytest.FixtureRequest) -> str:
    """The name of an image that is installed, by its place in the chart's values."""
    found = yaml.safe_load((LOCAL / "images.yaml").read_text())["images"]
    for key in request.param:
        found = found[key]
    return str(found)


def test_nothing_is_left_to_be_compiled_in_a_pod_which_could_not_keep_it(image: str) -> None:
    told = docker("run", "--rm", "--network=none", "--entrypoint", "python", image, "-c", WITHOUT_BYTECODE)
    found = json.loads(told)
    assert found["modules"] > 500
    assert found["ours"] > 20
    assert found["missing"] == []


def test_it_runs_as_nobody_in_particular(image: str) -> None:
    user, _, group = docker("image", "inspect", "-f", "{{.Config.User}}", image).partition(":")
    assert int(user) >= 10_000
    assert int(group) >= 10_000
