"""Intake: turn the user's files into windowed volumes and 8-bit slices, or refuse them with a reason.

In
    A cohort table (one row per series, volume or picture) and the files that it names below the cohort's root: DICOM,
    NIfTI, NRRD, MetaImage, PNG or JPEG; lung contours for a segmentation cohort; lesion masks where the user has some.
Out
    Per cohort `cases.tsv` (a row for every row of the table: ok, rejected or skipped, with the reason), `slices.tsv`,
    a canonical NIfTI in [0, 1] per case, an 8-bit PNG per slice, masks on the same grid. For all cohorts together
    `duplicates.tsv`, `report/intake.tsv` and `report/intake_labels.tsv`. Real names go to the private folder alone.

Read the modules in this order:

1. The table, read while the workflow is parsed: `settings`, `raw_table`, the package `layouts`, `cohort_table`,
   `shards`. `draft_table` and `file_names` help to write a first table.
2. One case: `cases`, then the reader of its format: `dicom` (with `slice_files`, `headers`, `header_values`,
   `acquisition`, `series`, `stacks`, `passes`, `enhanced`, `decode`, `stream_size`, `jpeg_lossless` and `hounsfield`),
   `nifti` (with `file_kinds`, `nifti_affine`, `text_headers` and `itk_volumes`) or `image`. Each returns a
   `volume.Volume`. `plausibility` asks whether its values can be what they are taken for. `quiet` silences file
   readers. `masks` (with `contours` and `mask_plausibility`) and `lesions` read the masks that come with a scan. Axes
   turn in `geometry` and nowhere else.
3. One cohort: `conversion` is the command line of a shard; `gather` joins shards and table.
4. All cohorts: `perceptual_hash` and `duplicates` find copies. `aspects`, `counts` and `label_predictability` make the
   two tables of the report.
5. How each image was made: the package `forensics`.

A file that cannot be converted exactly is refused: nothing is interpolated, averaged or guessed.
"""
