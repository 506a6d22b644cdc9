"""What a client would rather have, by its Accept header."""


def prefers_text(accept: str) -> bool:
    """Whether a client asks for text/plain and not as gladly for JSON (RFC 9110, 12.5.1)."""
    wanted: dict[str, float] = {}
    for part in accept.lower().split(",")[:20]:
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        wanted[kind] = _quality(quality)
    text = wanted.get("text/plain", wanted.get("text/*", 0.0))
    return text > wanted.get("application/json", wanted.get("application/*", 0.0))


def _quality(written: str) -> float:
    try:
        return float(written) if len(written) <= 5 else 0.0
    except ValueError:
        return 0.0
