"""How a tenant's cap, which holds over all queues, is spread over them: its jobs take it up in their turns' order.

Each queue's round is held as if the tenant might use its whole allowance there. Where that is too much in all, the
jobs with the earliest turns keep it, and the queues that lost some hold their rounds again, so that others use those
slots. What a tenant keeps it keeps: a queue gives a tenant's jobs out in their turns' order, so a round that is held
again admits the same first ones. Hence each tenant is cut at most once, and no queue starves another.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

from forge_operator.digests import AnalysisJobDigest
from forge_operator.picture import Picture
from forge_operator.placing import Turn


def allowances(picture: Picture, by_tenant: Mapping[str, int], queues: Collection[str]) -> dict[str, int]:
    """How many more jobs each tenant with a cap may start, of those that wait in `queues`."""
    waiting = {picture.tenant_of(namespace) for queue in queues for namespace in picture.places.waiting(queue)}
    caps = {tenant: picture.tenants.of(tenant).cap for tenant in waiting if tenant}
    return {tenant: max(cap - by_tenant.get(tenant, 0), 0) for tenant, cap in caps.items() if cap is not None}


def cuts(
    picture: Picture, left: Mapping[str, int], admitted: Mapping[str, list[AnalysisJobDigest]]
) -> dict[str, dict[str, int]]:
    """By queue and tenant, the fewer jobs that may start there; nothing when all allowances are kept."""
    wanted: dict[str, list[tuple[Turn, str]]] = defaultdict(list)
    for queue, jobs in admitted.items():
        for job in jobs:
            tenant, place = picture.tenant_of(job.namespace), picture.places.of((job.namespace, job.uid))
            if tenant in left and place is not None:
                wanted[tenant].append((place.turn, queue))
    fewer: dict[str, dict[str, int]] = defaultdict(dict)
    for tenant, turns in wanted.items():
        if len(turns) <= left[tenant]:
            continue
        kept = Counter(queue for _, queue in sorted(turns)[: left[tenant]])
        for queue, count in Counter(queue for _, queue in turns).items():
            if kept[queue] < count:
                fewer[queue][tenant] = kept[queue]
    return fewer
