"""Measurements, each a command: `python -m benchmarks.NAME`. What they show stands in the README."""
