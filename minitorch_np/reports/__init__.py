"""Reports: tables, sentences, pictures, and HTML pages.

They only present results; all decisions are made elsewhere.
"""

from minitorch_np.reports.report import Report, report

__all__ = ["Report", "report"]
