"""Intake: from what a hospital hands over to windowed slices and volumes, or a reason why not."""
