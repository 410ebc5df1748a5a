"""How long tests wait for what should come at once: a bound for what hangs, since the machine may be slow and busy."""

from __future__ import annotations

#: Seconds; no test asserts a time.
PATIENCE = 300.0
