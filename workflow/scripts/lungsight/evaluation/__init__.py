"""Evaluation: from prediction tables to metrics with intervals, and to comparisons of models.

In: the prediction tables that `training.inference` writes, one per model and cohort. Nothing here reads an image or a
model, with one exception: `leakage_inflation.training` trains networks, and it alone imports TensorFlow.

Out: `models/<pipeline>/stage<k>/metrics.json` and, below `report/`, `metrics.tsv`, `aggregation.tsv`,
`reliability.tsv`, `differences.tsv`, `subgroups.tsv`, `selection.tsv` and `leakage_inflation.tsv`.

Read the modules in this order:

1. `metrics`: the formula of every metric, its interval, and the bins of the reliability diagram.
2. `intervals`: how patients are drawn for an interval.
3. `aggregation`: how slices become one score per patient, and how validation chooses the threshold.
4. `model_evaluation`: all of this for one model, as metrics.json has it.
5. `performance_differences`, `subgroups`, `fold_pooling`: pairs of models, parts of a cohort, folds;
   `fold_runs`: which runs are joined.
6. `tables`, `thesis_comparison`: report/metrics.tsv, with the numbers that the thesis prints, and their difference.
7. `selection`: whether intake and quality control left out more of one class; it reads their tables, no prediction.
8. `leakage_inflation`: what a split by slice adds to the AUC.

`docs/evaluation.md` lists every column with its formula.
"""
