"""Measurements, each a command: `python -m benchmarks.NAME`; results: .github/MEASUREMENTS.md."""
