"""Ports for what is bound later, by a process that is still to start, or never."""

from __future__ import annotations

import errno
import os
import re
import socket
from itertools import cycle, islice

#: Each worker of pytest-xdist has its own part, below the ports that systems give away by themselves (49152 and up;
#: Linux 32768): one that is found free stays free, also while other tests listen and connect.
_FIRST, _EACH, _PARTS = 20_000, 400, 30
_worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
_part = range(_FIRST + _worker % _PARTS * _EACH, _FIRST + (_worker % _PARTS + 1) * _EACH)
#: Another run of the tests at the same time most likely begins elsewhere.
_ports = islice(cycle(_part), os.getpid() % _EACH, None)


def free_port() -> int:
    """A port of loopback that nobody has, and nobody is given until it is this worker's turn again."""
    return next(port for port in _ports if not _is_taken(port))


def _is_taken(port: int) -> bool:
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
    return False
