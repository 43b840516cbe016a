"""Report: what a run found, as two tables and one page."""
