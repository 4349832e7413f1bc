"""Measurements, each a command: `python -m benchmarks.NAME`. The README has their results."""
