"""What GET /repositories/{id}/trends takes and answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from forge_api.shapes import View
from forge_api.views import Line, Moment, PageAsked
from forge_core.history.trends import Point


class TrendAsked(PageAsked):
    """Query of GET /repositories/{id}/trends; what is left out filters nothing."""

    ref: Annotated[Line | None, Field(max_length=255, description="As the analyses were given it.")] = None
    since: Annotated[Moment | None, Field(description="Created at or after this time.")] = None
    until: Annotated[Moment | None, Field(description="Created before this time.")] = None


class TrendPoint(View):
    """One completed analysis. What its summary doesn't tell, or not in this form, is null or empty."""

    analysis_id: Annotated[UUID, Field(examples=["0b4b6a52-6f0a-4a8e-9d55-6c1f1f7a2b10"])]
    at: Annotated[datetime, Field(description="When it was submitted.")]
    ref: Annotated[str, Field(description="Empty: the default branch.", examples=["main"])]
    partial: Annotated[bool, Field(description="It looked at a part of the repository only.")]
    commit: str | None
    score: Annotated[float | None, Field(description="0 to 100; null without code to score.", examples=[81.2])]
    grade: Annotated[str | None, Field(examples=["B"])]
    dimensions: Annotated[dict[str, float], Field(examples=[{"security": 70.1}])]
    findings: Annotated[int | None, Field(examples=[12])]
    by_severity: Annotated[dict[str, int], Field(examples=[{"high": 2}])]
    code_lines: Annotated[int | None, Field(examples=[1200])]
    duplicated_percent: Annotated[float | None, Field(examples=[2.5])]
    new_findings: Annotated[int | None, Field(description="Since its baseline; null without one.", examples=[0])]
    gate: Annotated[str | None, Field(description="passed or failed; null without a gate.", examples=["passed"])]

    @classmethod
    def of(cls, point: Point) -> "TrendPoint":
        """The view of a row. A runner wrote the summary, so each part is taken only in the form that it should have."""
        told = point.told
        score, findings = _mapping(told.get("score")), _mapping(told.get("findings"))
        dimensions = {
            name: _number(_mapping(each).get("value")) for name, each in _mapping(score.get("dimensions")).items()
        }
        severities = {name: _count(each) for name, each in _mapping(findings.get("bySeverity")).items()}
        return cls(
            analysis_id=point.id,
            at=point.created_at,
            ref=point.ref,
            partial=point.partial,
            commit=_text(told.get("commit")),
            score=_number(score.get("value")),
            grade=_text(score.get("grade")),
            dimensions={name: each for name, each in dimensions.items() if each is not None},
            findings=_count(findings.get("total")),
            by_severity={name: each for name, each in severities.items() if each is not None},
            code_lines=_count(told.get("codeLines")),
            duplicated_percent=_number(told.get("duplicatedPercent")),
            new_findings=_count(told.get("newFindings")),
            gate=_text(told.get("gate")),
        )


class TrendPage(View):
    """A page, newest first."""

    items: list[TrendPoint]
    next_cursor: Annotated[str | None, Field(description="For `cursor`; null on the last page.")] = None


def _mapping(value: Any) -> Mapping[str, Any]:
    """An object with no more members than any of ours has."""
    return value if isinstance(value, dict) and len(value) <= 20 else {}


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e9
    return float(value) if good else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else None


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None
