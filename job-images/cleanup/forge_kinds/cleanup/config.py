"""What a job's `config` says about a clean-up. The CRD checks it first; what slips through ends Permanent."""

from pydantic import StrictBool

from forge_core.maintenance import Task
from forge_runner.config import Config


class CleanupConfig(Config):
    """Which clean-up it is. How long things are kept is the installation's to say, not the job's."""

    task: Task
    dryRun: StrictBool = False  # noqa: N815 - as the manifest spells it
