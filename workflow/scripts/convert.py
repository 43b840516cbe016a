"""Convert one shard of a cohort into windowed volumes and 8-bit slices.

Makes shards/<shard>/cases.tsv and slices.tsv, nifti/<shard>/ and png/<shard>/ from the scans that the user's table
names.
"""

from lungsight.intake.arguments import parse_shard_args
from lungsight.intake.cases import Folders, convert_shard, quiet
from lungsight.program import progress, run
from lungsight.tables import write_table


def main() -> None:
    args, rows, intake = parse_shard_args(__doc__, "png")
    quiet()
    cases, slices = convert_shard(progress(rows, "cases"), intake, Folders(nifti=args.nifti, png=args.png))
    write_table(args.cases, cases, schema="converted_cases")
    write_table(args.slices, slices, schema="converted_slices")


if __name__ == "__main__":
    run(main)
