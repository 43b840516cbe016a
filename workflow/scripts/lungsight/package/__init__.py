"""Publish a finished run: a model card for each model, and one file with which others can check the numbers.

It reads what the other packages left, and computes no result of its own.

model_card
    One page for each trained model: what it is, how well it does, where it looks, and what nobody checked.
contents
    Which files of a run are published, and what a run lacks before it can be.
public_config
    The config without paths and without the user's words.
jobs
    Which job made which file, when, and at what cost.
crate
    Workflow Run RO-Crate: what the files are and how they came about.
croissant
    Croissant with the RAI vocabulary: what the cohort tables hold.
archive
    The package itself: sorted, with fixed times, so that one run gives one sequence of bytes.
"""
