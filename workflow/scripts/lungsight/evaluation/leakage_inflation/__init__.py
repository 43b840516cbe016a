"""Leakage inflation: what a split by slice, which puts one patient into several subsets, adds to the AUC.

A pipeline is trained under four conditions: split by slice or by patient, with the true labels or with random labels
per patient. With random labels there is nothing to learn but the patients: an AUC above 0.5 is leakage alone.

In: one cohort's split, for its slices; the image cache; start weights. Out: `report/leakage_inflation.tsv`.

Read `settings` (which cohort, pipelines and conditions), `conditions` (their labels and splits), `training` (one
training, and its predictions) and `inflation` (the difference of AUCs, with its interval), in this order.
"""
