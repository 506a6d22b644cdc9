"""Amounts of CPU and memory as Kubernetes writes them (`250m`, `1.5`, `512Mi`, `2G`), in the units we count in."""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

_FORM: Final = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:([eE][+-]?[0-9]{1,2})|([numkMGTPE]|[KMGTPE]i))?"
)
_SUFFIXES: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10**3),
    **{f"{letter}i": Decimal(2 ** (10 * power)) for power, letter in enumerate("KMGTPE", 1)},
    **{letter: Decimal(10 ** (3 * power)) for power, letter in enumerate("MGTPE", 2)},
}  # fmt: skip
MEBIBYTE: Final = 2**20


def parse_quantity(text: str) -> Decimal:
    """The number that a quantity means. Raises ValueError that names the text and the form it should have."""
    found = _FORM.fullmatch(text) if len(text) <= 40 else None
    if found is None:
        raise ValueError(f"{text[:40]!r} is not an amount: write for example 500m, 2, 512Mi or 4Gi")
    number, exponent, suffix = found.groups()
    return Decimal(number + (exponent or "")) * _SUFFIXES.get(suffix or "", Decimal(1))


def millicores(text: str) -> int:
    """Thousandths of a core, rounded up as Kubernetes does. Raises ValueError."""
    return _up(parse_quantity(text) * 1000)


def mebibytes(text: str) -> int:
    """MiB, rounded up. Raises ValueError."""
    return _up(parse_quantity(text) / MEBIBYTE)


def format_cores(millis: int) -> str:
    """For a person: `4 CPU`, `0.25 CPU`."""
    return f"{millis / 1000:g} CPU"


def format_memory(mib: int) -> str:
    """For a person: `512 MiB`, `1.5 GiB`."""
    return f"{mib / 1024:.4g} GiB" if mib >= 1024 else f"{mib} MiB"


def _up(number: Decimal) -> int:
    return int(number.to_integral_value(ROUND_CEILING))
