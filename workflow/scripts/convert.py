"""Make windowed volumes, 8-bit slices and lesion masks of one shard of a cohort from the scans that its table names.

Writes shards/<shard>/cases.tsv and slices.tsv, nifti/<shard>/, png/<shard>/ and lesions/<shard>/ of the cohort.
"""

from lungsight.intake.conversion import run_conversion
from lungsight.layout import LESIONS, PNG
from lungsight.program import parser, run


def main() -> None:
    """Convert the shard."""
    run_conversion(parser(__doc__), PNG, LESIONS)


if __name__ == "__main__":
    run(main)
