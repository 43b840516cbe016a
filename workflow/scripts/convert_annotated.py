"""Convert one shard of a segmentation cohort into windowed volumes and their true lung masks.

Makes shards/<shard>/cases.tsv and slices.tsv, nifti/<shard>/ and truth/<shard>/ from the scans and contours that the
user's table names.
"""

from lungsight.intake.conversion import run_conversion
from lungsight.program import parser, run


def main() -> None:
    run_conversion(parser(__doc__), "truth")


if __name__ == "__main__":
    run(main)
