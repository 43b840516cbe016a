"""Segmentation: a lung mask for every case, by a network, a classical method or the user.

In: volumes of every cohort, and the contours of the segmentation cohort as masks. Out: segmentation/split.tsv, the
model folder segmentation/model/ with training.tsv, masks/<cohort>/<shard>/<case>.nii.gz, and metrics.tsv with the
pictures curve.png and worst.png.

Read in this order:

- `settings`: the config's section `segmentation`, checked while the workflow is parsed
- `volumes`: volumes and masks as NIfTI files
- `split`: the segmentation cohort's patients, or slices, in train, val and test
- `dataset`: from cases with masks to nnU-Net's preprocessed data
- `nnunet`: how nnU-Net is called
- `train`: its training, with the trainers of workflow/nnunet_trainers
- `model_folder`, `model`: check a model folder of the user, and write that of the run
- `predict`: masks by the network
- `classical`: masks without a network
- `lung_tools`, `run_tool`: masks by lungmask or TotalSegmentator
- `own_lungs`: masks of the user's
- `shard`: all cases of a shard, so that a failure costs one mask
- `postprocess`: options that correct a mask
- `dicom_seg`: masks as DICOM SEG
- `agreement`: predicted masks compared with contours
- `training_figure`, `worst_cases_figure`: the pictures
"""
