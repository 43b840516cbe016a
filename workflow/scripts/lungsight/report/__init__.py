"""Report: what a run found, as tables and one page."""
