"""A person asks why a job waits and why one failed: the installed API asks the installed operator."""

import pytest

from forge_core.cluster import analysis_jobs
from forge_core.phase import Phase
from tests.e2e.forge import TENANT_NAMESPACE, Forge, Jobs
from tests.services.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_a_waiting_job_is_explained_as_text_and_as_json(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    name = jobs.submit(small_repository, jobs.queue(paused=True))
    uid = forge.kubectl.server.get(analysis_jobs(TENANT_NAMESPACE, name))["metadata"]["uid"]
    with forge.api() as api:
        wait_until(lambda: api.get(f"/analyses/{uid}").status_code == 200, what="its row is written")
        message = wait_until(lambda: api.get(f"/analyses/{uid}").json()["message"], what="it is told")
        found = api.get(f"/analyses/{uid}/explain").json()
        assert found["complete"] is True, found["chain"]
        assert found["message"] == message
        assert "is paused" in message
        assert found["chain"][0]["verdict"] == "holds"
        assert found["line"] == {"position": 1, "length": 1, "expectedStart": None}
        text = api.get(f"/analyses/{uid}/explain", headers={"Accept": "text/plain"}).text
    assert text.startswith(f"{message}\n\n  holds    queue ")
    assert "What to do: An administrator resumes it" in text


def test_a_failed_job_is_explained_in_the_words_of_its_message(forge: Forge, jobs: Jobs, small_repository: str) -> None:
    name = jobs.submit(small_repository, ref="no-such-branch")
    job = forge.wait_for(name, Phase.FAILED)
    uid = job["metadata"]["uid"]
    with forge.api() as api:
        wait_until(lambda: api.get(f"/analyses/{uid}").status_code == 200, what="its row is written")
        found = api.get(f"/analyses/{uid}/explain").json()
    assert found["message"] == job["status"]["message"]
    assert found["chain"][-1]["verdict"] == "failed"
    assert found["advice"].startswith("Correct what the message names")
