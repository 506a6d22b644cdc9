"""Which runner calls (forge_core.identity), with the API's answers to those that may not.

A cluster that can't be asked is a 503, never a 401: a runner must not take it for a refusal.
"""

from forge_api.problems import Problem, unauthenticated, unavailable
from forge_core import identity
from forge_core.attempts import FENCED
from forge_core.cluster import ClusterError
from forge_core.identity import Runner
from forge_core.kube import Kubernetes
from forge_core.logs import get_logger
from forge_core.names import TOKEN_AUDIENCE

__all__ = ["Identities", "JobGone", "Runner"]
log = get_logger("api.identity")


class JobGone(Problem):
    """409 fenced: the token is good, but the pod, its Job or its AnalysisJob isn't there, or is another by now."""

    def __init__(self, gone: identity.JobGone) -> None:
        super().__init__(409, str(gone), code=FENCED)
        self.pod_uid = gone.pod_uid


class Identities:
    """Who calls, or the problem to answer with."""

    def __init__(self, kube: Kubernetes) -> None:
        self._known = identity.Identities(kube, TOKEN_AUDIENCE)

    async def runner(self, token: str) -> Runner:
        """Raises Problem 401 (the token is no good), 403 (not a runner's), 409 fenced (its job is gone), 503."""
        try:
            return await self._known.runner(token)
        except identity.BadToken as error:
            raise unauthenticated(str(error)) from None
        except identity.NotAllowed as error:
            raise Problem(403, str(error)) from None
        except identity.JobGone as error:
            raise JobGone(error) from None
        except ClusterError as error:
            log.warning("a runner can't be identified", error=str(error))
            raise unavailable("The Kubernetes API can't be asked who calls; try again.") from None

    async def cleaner(self, runner: Runner, namespace: str) -> Runner:
        """The runner itself, if it may do maintenance. Raises Problem 403 (it may not), ClusterError."""
        try:
            await self._known.cleaner(runner, namespace)
        except identity.NotAllowed as error:
            raise Problem(403, str(error)) from None
        return runner
