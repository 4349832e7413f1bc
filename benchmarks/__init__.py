"""Measurements, each a command: `python -m benchmarks.NAME`. .github/MEASUREMENTS.md has their results."""
