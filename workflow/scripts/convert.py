"""Convert one shard of a cohort into windowed volumes and 8-bit slices.

Makes shards/<shard>/cases.tsv and slices.tsv, nifti/<shard>/, png/<shard>/ and lesions/<shard>/ from the scans, and the
lesion masks, that the user's table names.
"""

from lungsight.intake.conversion import run_conversion
from lungsight.program import parser, run


def main() -> None:
    run_conversion(parser(__doc__), "png", "lesions")


if __name__ == "__main__":
    run(main)
