"""Predict: a trained pipeline of a finished run on the scans of new patients."""
