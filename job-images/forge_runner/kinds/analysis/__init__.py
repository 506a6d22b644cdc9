"""The analysis of a repository: what it is like to work on, where it is risky, and what to do first."""

from forge_runner.kinds.analysis.analysis import analyse

__all__ = ["analyse"]
