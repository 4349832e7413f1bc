"""What a person looks at: tables, sentences, pictures, and a page of HTML with all of it.

Reports render what a comparison holds, and decide nothing.
"""

from minitorch_np.reports.report import Report, report

__all__ = ["Report", "report"]
