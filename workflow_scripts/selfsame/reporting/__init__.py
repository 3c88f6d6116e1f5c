"""Reporting: figures, the HTML report and the closing table. DataFrames in, text out; no torch."""
