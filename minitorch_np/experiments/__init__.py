"""Experiments: compare configurations, with statistics and diagnostics."""

from minitorch_np.experiments.compare import compare
from minitorch_np.experiments.comparison import Comparison
from minitorch_np.experiments.configuration import Configuration
from minitorch_np.experiments.diagnostics import Diagnosis, Diagnostics, Finding, diagnose

__all__ = [
    "Comparison",
    "Configuration",
    "Diagnosis",
    "Diagnostics",
    "Finding",
    "compare",
    "diagnose",
]
