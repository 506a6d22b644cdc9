"""The SQL of `records`: set-based, one round trip a batch. Rows come in as one JSON array of `JobRecord`s."""

from typing import Final

from sqlalchemy import text

INCOMING: Final = """
    jsonb_to_recordset(cast(:rows as jsonb)) as r(
        uid uuid, resource_version bigint, tenant text, namespace text, name text, queue text, kind text, spec jsonb,
        priority int, phase text, created_at timestamptz, stage text, progress int, attempts int, message text,
        reason text, failure_class text, queued_at timestamptz, admitted_at timestamptz, started_at timestamptz,
        completed_at timestamptz, last_pod_ended_at timestamptz, resource_class text, cpu_millis int, memory_mib int,
        retry_of uuid)
"""
TERMINAL: Final = "('Completed', 'Failed', 'Cancelled')"

_UNKNOWN: Final = "j.admitted_at is null or j.resource_class = ''"
SIZE: Final = ", ".join(
    f"{column} = case when {_UNKNOWN} then r.{column} else j.{column} end"
    for column in ("resource_class", "cpu_millis", "memory_mib")
)
"""What its pod asks for is settled with its admission: a class that is changed later changes no pod that is there."""

ADOPT: Final = text(f"""
    update jobs j set resource_uid = r.uid from {INCOMING}
    where j.namespace = r.namespace and j.name = r.name and j.id::text = r.name
      and j.submitted and j.resource_uid is null
      and not exists (select from jobs k where k.resource_uid = r.uid)
""")  # noqa: S608 - the texts are this module's own

INSERT: Final = text(f"""
    insert into jobs (
        id, resource_uid, resource_version, tenant, namespace, name, queue, submitted, repository_id, requested_by,
        spec, priority, phase, stage, progress, attempts, message, reason, failure_class, created_at, cancelled_by,
        retry_of)
    select r.uid, r.uid, 0, r.tenant, r.namespace, r.name, r.queue, false, coalesce(r.spec->>'repositoryId', ''),
        coalesce(r.spec->>'requestedBy', ''), r.spec, r.priority, 'Queued', '', 0, 0, '', '', '', r.created_at, '',
        r.retry_of
    from {INCOMING}
    where not exists (select from jobs k where k.resource_uid = r.uid)
    on conflict do nothing
""")  # noqa: S608

LOCK: Final = text(f"""
    select j.id from jobs j join {INCOMING} on j.resource_uid = r.uid order by j.id for update of j
""")  # noqa: S608

UPDATE: Final = text(f"""
    update jobs j set
        tenant = case when j.tenant = '' then r.tenant else j.tenant end,
        resource_version = r.resource_version, priority = r.priority, phase = r.phase,
        stage = r.stage, progress = r.progress, attempts = greatest(j.attempts, r.attempts),
        message = r.message, reason = r.reason,
        failure_class = case when r.failure_class = '' or j.recorded_at is not null then j.failure_class
            else r.failure_class end,
        queued_at = coalesce(r.queued_at, j.queued_at), admitted_at = coalesce(r.admitted_at, j.admitted_at),
        started_at = coalesce(r.started_at, j.started_at), completed_at = coalesce(j.completed_at, r.completed_at),
        last_pod_ended_at = coalesce(r.last_pod_ended_at, j.last_pod_ended_at),
        kind = coalesce(nullif(r.kind, ''), j.kind),
        {SIZE}
    from {INCOMING}
    where j.resource_uid = r.uid and r.resource_version > j.resource_version
      and (j.phase not in {TERMINAL} or j.phase = r.phase)
""")  # noqa: S608

FIRST_ENDS: Final = text(f"""
    update jobs j set recorded_at = now(), completed_at = coalesce(j.completed_at, now()),
        summary = case when j.phase = 'Completed' then coalesce((
            select a.summary from attempts a where a.job_uid = j.resource_uid and a.outcome = 'succeeded'
            order by a.number desc limit 1), j.summary) else j.summary end,
        failure_class = case when j.phase = 'Failed' and j.failure_class = '' then coalesce((
            select a.failure_class from attempts a where a.job_uid = j.resource_uid and a.failure_class <> ''
            order by a.number desc limit 1), 'transient') else j.failure_class end
    where j.resource_uid = any(:uids) and j.phase in {TERMINAL} and j.recorded_at is null
    returning j.id, j.resource_uid as uid, j.tenant, j.queue, j.phase, j.repository_id, j.message, j.started_at,
        j.completed_at, j.failure_class, j.kind
""")  # noqa: S608

CLOSE_ATTEMPTS: Final = text("""
    update attempts a set outcome = 'failed',
        ended_at = case when a.outcome = '' then greatest(a.claimed_at, j.completed_at) else a.ended_at end,
        message = case when a.outcome = '' then j.message else a.message end,
        failure_class = case when j.phase = 'Cancelled' then 'cancelled'
            when j.reason = 'DeadlineExceeded' then 'timeout'
            else coalesce(nullif(j.failure_class, ''), 'transient') end
    from jobs j
    where j.resource_uid = a.job_uid and j.resource_uid = any(:uids) and (a.outcome = '' or (
        -- A runner that is asked to stop can't know why: what it calls a disruption was the job's end.
        a.outcome = 'failed' and a.failure_class = 'disruption' and not a.refunded
        and (j.phase = 'Cancelled' or j.reason = 'DeadlineExceeded')
        and a.number = (select max(b.number) from attempts b where b.job_uid = a.job_uid)))
""")

TRIED: Final = text("""
    select job_uid, outcome, failure_class, count(*) as many from attempts
    where job_uid = any(:uids) and outcome <> '' group by job_uid, outcome, failure_class
""")

OUTBOX: Final = text("""
    insert into outbox (id, job_id, tenant, type, event, created_at)
    values (:id, :job_id, :tenant, :type, cast(:event as jsonb), now())
    on conflict (job_id, type) do nothing
""")


DELETED: Final = text(f"""
    update jobs j set deleted_at = coalesce(j.deleted_at, now()),
        phase = case when j.phase in {TERMINAL} then j.phase else 'Cancelled' end,
        reason = case when j.phase in {TERMINAL} then j.reason else 'Deleted' end,
        message = case when j.phase in {TERMINAL} then j.message
            else 'The AnalysisJob was deleted before it ended; nothing follows.' end,
        completed_at = case when j.phase in {TERMINAL} then j.completed_at else now() end
    where j.resource_uid = any(:uids)
""")  # noqa: S608

LOCK_JOB: Final = text("select pg_advisory_xact_lock(hashtextextended(cast(:job_uid as text), 0))")
REFUND: Final = text("""
    insert into refunds (pod_uid, job_uid, reason, at)
    select :pod_uid, :job_uid, :reason, now()
    where (select count(*) from refunds where job_uid = :job_uid) < :most
    on conflict do nothing
""")
END_OF_POD: Final = text("""
    update attempts a set outcome = 'failed', failure_class = cast(:failure_class as text),
        message = case when a.stage = '' or a.failure_class <> cast(:failure_class as text)
            then :message else a.message end,
        ended_at = case when a.stage = '' then greatest(a.claimed_at, :ended_at) else a.ended_at end,
        refunded = exists (select from refunds r where r.pod_uid = a.pod_uid)
    where a.pod_uid = :pod_uid and a.outcome <> 'succeeded'
      and (a.stage = '' or a.failure_class = 'disruption')
      and a.number = (select max(b.number) from attempts b where b.pod_uid = a.pod_uid)
""")
"""Of the pod's newest attempt, unless its runner told the end itself (then it has a stage). A runner that was asked to
stop calls that a disruption, whatever the reason was: the cluster knows better."""

SUMMARIES: Final = text("""
    select distinct on (job_uid) job_uid, summary from attempts
    where job_uid = any(:uids) and outcome = 'succeeded' order by job_uid, number desc
""")
STARTS: Final = text(
    "select queue, resource_uid, admitted_at from jobs where admitted_at >= :moment order by admitted_at"
)
IN_CLUSTER: Final = text("select resource_uid from jobs where deleted_at is null and resource_uid is not null")
