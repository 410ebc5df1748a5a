"""Tests of `docs/`, the README and `examples/`."""
