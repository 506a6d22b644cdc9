"""Label selectors as Kubernetes reads them (meta/v1 LabelSelector); a malformed one selects nothing."""

from collections.abc import Mapping
from typing import Any

from forge_operator.reading import part, text


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the selector matches the labels; an empty one matches everything."""
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    if not isinstance(wanted, dict) or not isinstance(expressions, list):
        return False
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches(expression, labels) for expression in expressions)


def _matches(expression: object, labels: Mapping[str, str]) -> bool:
    key, values = text(expression, "key"), part({"in": expression}, "in").get("values") or []
    if not isinstance(values, list):
        return False
    answers: dict[str, bool] = {
        "In": labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }
    return answers.get(text(expression, "operator"), False)
