"""Has the code location load its definitions anew when a run brought tables that they do not know yet.

What somebody would else do with the button *Reload*: the code server starts a fresh process beside the old one, which
goes on until its runs have ended. It is asked of the server that started the run; where that cannot do so (a run of the
command line, a server without reloading), new tables have their lineage and columns after the next reload.

The origin of a run and the client of a code server are not public; both were tried on the Dagster line that
pyproject.toml allows.
"""

from collections.abc import Callable

from dagster import DagsterRun
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

#: A code location that takes longer goes on loading; the run does not wait for it.
RELOAD_SECONDS = 30


def reload_definitions(run: DagsterRun, log: Callable[[str], None]) -> None:
    """Asks once, and leaves it at that where there is nobody to ask."""
    origin = run.remote_job_origin
    location = origin.repository_origin.code_location_origin if origin is not None else None
    if not isinstance(location, GrpcServerCodeLocationOrigin):
        return
    try:
        location.create_client().reload_code(timeout=RELOAD_SECONDS)
    except Exception:  # whatever ails the code server, the sync is not the worse for it
        log("The tables are known to Dagster in full when the code location is loaded the next time.")
