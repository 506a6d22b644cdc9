"""Imported by each Python that finds this folder: as many CPUs as BENCH_CPUS says seem to be there.

For memory alone: so many files are worked on at a time, by as many processors as the machine has.
"""

import os

_SEEN = range(int(os.environ.get("BENCH_CPUS", "0"))) or os.sched_getaffinity(0)
os.sched_getaffinity = lambda _pid: set(_SEEN)
