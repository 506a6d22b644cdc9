"""One run of pytest under coverage: what each test did, and which lines and branches of the sources it covered."""

import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
from coverage import Coverage

from forge_kinds.test_generation.inside.child import Told
from forge_kinds.test_generation.inside.covering import Sources
from forge_kinds.test_generation.inside.effects import Watch

ARGUMENTS: Final = (
    "-q", "--tb=short", "--color=no", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:cov",
    "--continue-on-collection-errors",
    "-W", "ignore::pytest.PytestAssertRewriteWarning", "-W", "ignore:Slow code in plugin",
)  # fmt: skip
"""Both warnings are for us, who import and warm up before pytest does; a repository may make errors of warnings."""
_WHY: Final = 300


class TooLong(BaseException):
    """A test took more than its seconds. No `except Exception` of it stops this."""


class Plugin:
    """Remembers outcomes by node id, mixes the new tests among the others, and marks what is covered by which."""

    def __init__(self, told: Told, coverage: Coverage) -> None:
        options = told.options
        self._told, self._coverage = told, coverage
        self._own, self._files = options["own"], list(options["new"])
        self._new = tuple(f"{path}::" for path in options["new"])
        self._without = frozenset(options["without"])
        self._seed, self._seconds = options["seed"], options["test_seconds"]
        self._watch = Watch(Path.cwd())
        self.outcomes: dict[str, str] = {}
        self.why: dict[str, str] = {}
        self.effects: dict[str, str] = {}

    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        """Where pytest looks by the repository's configuration, and at the new files."""
        config.args = [*(config.args if self._own else []), *self._files]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The new ones at places drawn by the seed; the others keep their order."""
        kept = [item for item in {item.nodeid: item for item in items}.values() if item.nodeid not in self._without]
        others = [item for item in kept if not self._is_new(item)]
        fresh = [item for item in kept if self._is_new(item)]
        draw = random.Random(self._seed)  # noqa: S311 - an order
        draw.shuffle(fresh)
        places = sorted(draw.randint(0, len(others)) for _ in fresh)
        for place, item in zip(reversed(places), fresh, strict=True):
            others.insert(place, item)
        items[:] = others

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[Any]:
        """Its coverage counts as its own, if it is new."""
        self._told.step(item.nodeid)
        self._coverage.switch_context(item.nodeid if self._is_new(item) else "others")
        try:
            return (yield)
        finally:
            self._coverage.switch_context("others")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[Any]:
        """Within its time; what a new one reaches beyond its own memory is noted."""
        if not self._is_new(item):
            return (yield)
        previous = signal.signal(signal.SIGALRM, _too_long)
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        self._watch.begin()
        try:
            return (yield)
        except TooLong:
            pytest.fail(f"it took more than {self._seconds} s", pytrace=False)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
            if effect := self._watch.end():
                self.effects[item.nodeid] = effect

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of set-up, call and teardown."""
        if report.failed:
            self._failed(report)
        elif report.when == "call" or report.skipped:
            word = "xfailed" if hasattr(report, "wasxfail") else report.outcome
            self.outcomes.setdefault(report.nodeid, word)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that can't be collected fails as a whole."""
        if report.failed:
            self._failed(report)

    def _failed(self, report: "pytest.TestReport | pytest.CollectReport") -> None:
        self.outcomes[report.nodeid] = "failed"
        lines = [line.strip() for line in str(report.longrepr).splitlines() if line.strip()]
        named = [line for line in lines if line.startswith("E ")] or lines
        self.why.setdefault(report.nodeid, named[0][:_WHY] if named else "")

    def _is_new(self, item: pytest.Item) -> bool:
        return item.nodeid.startswith(self._new) if self._new else False


def _too_long(_number: int, _frame: FrameType | None) -> None:
    raise TooLong


def _prepare_for_properties() -> None:
    """A guess that does not hold is dropped: nobody asks for its simplest counterexample, which takes long to find, nor
    for a patch with it, for which a parser is imported if there is one."""
    from hypothesis import Phase, settings  # noqa: PLC0415 - slow to import, and not always needed

    from forge_kinds.test_generation.inside import tables  # noqa: PLC0415

    tables.lay_out()
    settings.register_profile("guesses", phases=(Phase.explicit, Phase.reuse, Phase.generate))
    settings.load_profile("guesses")
    sys.modules["hypothesis.extra._patching"] = None  # type: ignore[assignment]  # as if it could not be imported


def main() -> None:
    """Run, tell, end at once."""
    told = Told()
    options = told.options
    tree = Path.cwd()
    sources = [str(tree / path) for path in options["sources"]]
    coverage = Coverage(data_file=None, branch=True, config_file=False, include=sources or None, messages=False)
    plugin = Plugin(told, coverage)
    if any(path.endswith("_properties.py") for path in options["new"]):
        _prepare_for_properties()
    told.make_importable()
    files = Sources.read(coverage, tree, options["sources"])
    configured = [
        *(["-o", "addopts="] if options.get("plain") else []),
        *(["--noconftest"] if options.get("alone") else []),
    ]
    coverage.start()
    coverage.switch_context("imported")
    asked = options["own"] or options["new"]
    code = pytest.main([*ARGUMENTS, *configured], plugins=[plugin]) if asked else pytest.ExitCode.NO_TESTS_COLLECTED
    coverage.stop()
    told.leave(
        {
            "exit": int(code), "outcomes": plugin.outcomes, "why": plugin.why, "effects": plugin.effects,
            "coverage": files.whole(), **files.by_context(),
        }
    )  # fmt: skip
    sys.stdout.flush()
    os._exit(0)  # whatever they started or registered


if __name__ == "__main__":
    main()
