"""`python -m benchmarks.peers [--quick]`."""

from benchmarks.command import run_alone
from benchmarks.peers import run

if __name__ == "__main__":
    run_alone(run)
