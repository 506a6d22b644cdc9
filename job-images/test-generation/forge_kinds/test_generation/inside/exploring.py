"""pynguin, searching for inputs of one module. Each iteration is a step, so that one that hangs is noticed."""

import logging
from typing import Final

from pynguin.cli import main as pynguin

from forge_kinds.test_generation.inside.child import Told

ITERATIONS: Final = 400
PLATEAU: Final = 60
"""Iterations without gain, after which a search ends: so it ends at the same test each time if there is time for it."""


class _Steps(logging.Handler):
    """pynguin's own log, as signs of life."""

    def __init__(self, told: Told) -> None:
        super().__init__()
        self._told = told

    def emit(self, record: logging.LogRecord) -> None:
        self._told.step(record.name)


def main() -> None:
    """Search, and write one file."""
    told = Told()
    options = told.options
    told.make_importable()
    logging.getLogger("pynguin").addHandler(_Steps(told))
    lines = ["--only-cover-line-ranges", *options["lines"]] if options["lines"] else []
    pynguin(
        [
            "pynguin", "--project-path", options["project"], "--module-name", options["module"],
            "--output-path", options["folder"], "--seed", str(options["seed"]),
            "--maximum-search-time", str(options["search"]), "--maximum-iterations", str(ITERATIONS),
            "--maximum-coverage-plateau", str(PLATEAU), "--maximum-test-execution-timeout", "2",
            "--assertion-generation", "SIMPLE", "--create-coverage-report", "False", "--statistics-backend", "NONE",
            "--use-master-worker", "False", "--filter-assertions-in-subprocess", "False",
            "--filesystem-isolation", "True", "--no-rich", "-v", *lines,
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
