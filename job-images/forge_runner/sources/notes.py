"""What a reader of a result must know about files that were left out, or not worked on as others were."""

import threading
from collections import defaultdict
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

MAX_PLACES: Final = 20
N = TypeVar("N", bound=StrEnum)


class Notes(Generic[N]):
    """Collects a kind's notes from any thread. `sentences` has the words of each, with `{count}` in them."""

    def __init__(self, sentences: Mapping[N, str]) -> None:
        self._sentences = sentences
        self._lock = threading.Lock()
        self._places: dict[N, set[str]] = defaultdict(set)
        self._counts: dict[N, int] = defaultdict(int)

    def add(self, note: N, path: str) -> None:
        """Remember a path; the same path counts once for the same note."""
        with self._lock:
            self._places[note].add(path)

    def count(self, note: N, count: int) -> None:
        """Remember a number without places."""
        with self._lock:
            self._counts[note] += count

    def document(self) -> list[dict[str, Any]]:
        """For the result, in the order of the sentences."""
        document = []
        for note, sentence in self._sentences.items():
            total = len(self._places[note]) + self._counts[note]
            if total:
                places = sorted(self._places[note])[:MAX_PLACES]
                message = sentence.format(count=f"{total:,}")
                document.append({"code": note.value, "count": total, "message": message, "paths": places})
        return document
