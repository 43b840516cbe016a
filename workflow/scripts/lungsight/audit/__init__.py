"""Audit: test whether a trained model looks at the lung.

In: a trained model, the test slices of the cohort that its stage was trained on, their lung masks, its predictions,
`saliency.tsv`, and the metadata of the slices.

Out, for each model: what was measured of its test slices, `intervention_logits.tsv`, `source_predictions.tsv` and
`sanity_values.tsv`; with intervals, `shortcuts.tsv` and `sanity.tsv`. For each cohort the table of the metadata
classifier. For the run `report/audit.tsv` (every number), `verdicts.tsv`, `comparisons.tsv` and `systems.tsv`, and
`forensics.tsv`: what the making of images tells.

Read in this order:

rows                    what one row of an audit table holds, and how its interval is computed
interventions           images in which a part is replaced
predictions             what a model predicts for a batch of images
occlusion_tests         AUC under each intervention, and how much the prediction rests on the lung
sanity_checks           whether the maps depend on what the model learned
linear_classifier       logistic regressions, for the next two
source_classifier       whether the last hidden layer knows the source of a slice
metadata_classifier     whether metadata alone tell the classes apart
trace_classifier        whether single values of patients tell classes apart, with permutations
forensics               which traces of an image's making tell the label, or the cohort
model_outputs           a trained model as a function of images: the one module that imports TensorFlow itself
model_audit             all of the above for one model, slice by slice
intervals               the rows of shortcuts.tsv and sanity.tsv that follow
verdict                 the rules that turn these numbers into one verdict
attention_differences   pairs of models: whole against segmented, one kind of start weights against another
tables                  the run's tables of all models
ranking                 all pipelines of a run, ranked
"""
