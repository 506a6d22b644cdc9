"""The artefact that an analysis is compared with: of a completed analysis of the same tenant and repository only.

Which one is read from the asking job's own row, so that a runner can't ask for anything else.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from forge_core.attempts import BASELINE
from forge_core.history.database import History
from forge_core.history.queries import Queries, StoredFile
from forge_core.phase import Phase

_ASKED = text("""
    select spec->'config'->'baseline'->>'analysis' as analysis, tenant, namespace, spec->'repository'->>'url' as url
    from jobs where resource_uid = :job_uid
""")
_NAMED = text("""
    select resource_uid, phase, spec->'repository'->>'url' as url from jobs
    where id = :id and tenant = :tenant and namespace = :namespace
""")


class NotRecorded(Exception):
    """The asking job has no row yet; it will have one soon."""


class NoBaseline(Exception):
    """There is nothing to compare with; the message is a sentence that says why and what to do."""


@dataclass(frozen=True)
class Baselines:
    """Every method raises HistoryUnavailable while PostgreSQL is away."""

    history: History

    async def of(self, job_uid: UUID) -> tuple[StoredFile, bytes]:
        """The artefact for the AnalysisJob `job_uid`, and its body as stored. Raises NotRecorded, NoBaseline.

        Another tenant's analysis is said to be not there, in the same words as one that never was.
        """
        async with self.history.begin() as connection:
            asking = (await connection.execute(_ASKED, {"job_uid": job_uid})).mappings().first()
            if asking is None:
                raise NotRecorded
            found = None
            if analysis := _uuid(asking["analysis"]):
                place = {"id": analysis, "tenant": asking["tenant"], "namespace": asking["namespace"]}
                found = (await connection.execute(_NAMED, place)).mappings().first()
        if found is None:
            raise NoBaseline("There is no such analysis; name one of this tenant by its id, or a ref.")
        if not asking["url"] or found["url"] != asking["url"]:
            raise NoBaseline("The analysis is one of another repository; name one with the same URL.")
        if found["phase"] != Phase.COMPLETED.value:
            raise NoBaseline(f"The analysis is {found['phase'].lower()}, not completed; name one that is, or a ref.")
        return await self._artifact(found["resource_uid"])

    async def _artifact(self, uid: UUID | None) -> tuple[StoredFile, bytes]:
        queries = Queries(self.history)
        result = await queries.result(uid) if uid else None
        held = await queries.file(uid, BASELINE, result.attempt) if uid and result else None
        if held is None:
            raise NoBaseline(f"The analysis has no artefact {BASELINE}, or no longer; analyse it anew, or name a ref.")
        return held


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
