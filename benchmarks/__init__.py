"""Figures that are too noisy for tests: run each with `python -m benchmarks.NAME`."""
