"""The same rows read by other programs: `python -m benchmarks peers`.

In: the sandbox, and a peer's command. Out: one table of rows obtained, requests, wall time and memory. One module a
peer; each peer runs as a process of its own, in an environment of its own, one after the other. May import `benchmarks`
alone.
"""

from benchmarks.peers.comparison import run

__all__ = ["run"]
