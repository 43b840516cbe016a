"""Splits: which slices train, validate and test, and what two sides of a split share."""
