"""Transfer study: how many patients of one's own a second stage needs, and how deep it should train the network.

A pipeline is trained on the target cohort again and again: from few patients to many, with more and fewer blocks
frozen, each several times with other patients. Beside it stand two comparisons: one stage instead of two, and the
slices of highest entropy instead of random ones.

In: the target cohort's split, image cache and manifest; the model of stage 1; start weights. Out:
`report/transfer_study.tsv`, a row for each training, and `report/transfer_summary.tsv`, a row over its draws.

Read `settings` (what is trained), `choice` (which patients and slices), `entropy`, `training` (one start, all its
trainings) and `summary` (means, ranges and intervals over draws), in this order.

References
----------
Ghafoorian, M. et al. (2017). Transfer learning for domain adaptation in MRI: application in brain lesion segmentation.
Swati, Z. N. K. et al. (2019). Brain tumor classification for MR images using transfer learning and fine-tuning.
Khan, N. M. et al. (2019). Transfer learning with intelligent training data selection for prediction of Alzheimer's
disease.
Samala, R. K. et al. (2019). Breast cancer diagnosis in digital breast tomosynthesis: effects of training sample size on
multi-stage transfer learning using deep neural nets.
"""
