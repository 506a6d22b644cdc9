"""Label selectors as Kubernetes reads them (meta/v1 LabelSelector); a malformed one selects nothing."""

from collections.abc import Mapping
from typing import Any

from forge_operator.reading import items, text


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether the selector matches the labels; an empty one matches everything."""
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    if not isinstance(wanted, dict) or not isinstance(expressions, list):
        return False
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_matches(expression, labels) for expression in items({"all": expressions}, "all"))


def _matches(expression: dict[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = text(expression, "key"), expression.get("values") or []
    if not isinstance(values, list):
        return False
    match text(expression, "operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
