"""Every reason that the operator gives, as a typed constant; conditions carry it beside a sentence for a person."""

from enum import StrEnum

from forge_core.resource import INVALID


class Reason(StrEnum):
    """`reason` of a condition."""

    # Condition Admitted, False: why a job waits. The order is that of the gates.
    QUEUE_MISSING = "QueueMissing"
    QUEUE_INVALID = "QueueInvalid"
    QUEUE_PAUSED = "QueuePaused"
    IMAGE_MISSING = "ImageMissing"
    CLASS_MISSING = "ResourceClassMissing"
    NAMESPACE_WITHOUT_TENANT = "NamespaceWithoutTenant"
    NAMESPACE_NOT_SERVED = "NamespaceNotServed"
    DEPENDENCY_AWAY = "DependencyAway"
    CREATION_REFUSED = "CreationRefused"
    CONCURRENCY_REACHED = "ConcurrencyReached"
    STARTS_UNKNOWN = "StartsUnknown"
    RATE_REACHED = "RateReached"
    TENANT_QUOTA_REACHED = "TenantQuotaReached"

    # Condition Admitted, True: how an admitted job fares.
    ADMITTED = "Admitted"
    POD_REFUSED = "PodRefused"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    CONTAINER_NOT_STARTED = "ContainerNotStarted"
    RETRYING = "Retrying"
    STALLED = "Stalled"
    CANCELLING = "Cancelling"

    # Conditions Complete and Failed.
    SUCCEEDED = "Succeeded"
    PERMANENT = "PermanentFailure"
    EXHAUSTED = "AttemptsExhausted"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    INVALID = INVALID
    CANCELLED = "Cancelled"
    JOB_FAILED = "JobFailed"


class ConditionType(StrEnum):
    """`type` of a condition of an AnalysisJob."""

    ADMITTED = "Admitted"
    COMPLETE = "Complete"
    FAILED = "Failed"
