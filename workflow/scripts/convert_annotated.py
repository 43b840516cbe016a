"""Make windowed volumes and true lung masks of one shard of a segmentation cohort from scans and contours.

Writes shards/<shard>/cases.tsv and slices.tsv, nifti/<shard>/ and truth/<shard>/ of the cohort.
"""

from lungsight.intake.conversion import run_conversion
from lungsight.layout import TRUTH
from lungsight.program import parser, run


def main() -> None:
    """Convert the shard."""
    run_conversion(parser(__doc__), TRUTH)


if __name__ == "__main__":
    run(main)
