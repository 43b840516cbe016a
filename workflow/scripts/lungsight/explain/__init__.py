"""Explain: where a trained model looks, as maps and as numbers."""
