"""Score the lung mask of every slice of a cohort, from its volumes and masks."""

import json
from argparse import Namespace
from pathlib import Path

import pandas as pd

from lungsight.program import parser, progress, run
from lungsight.qc.scores import volume_scores
from lungsight.qc.volumes import read_case
from lungsight.rows import CasesRow
from lungsight.tables import columns_of, read_table, rows_of, write_table


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=Path, required=True)
    arguments.add_argument("--slices", type=Path, required=True)
    arguments.add_argument("--nifti", type=Path, required=True, help="folder with a folder of volumes per shard")
    arguments.add_argument("--masks", type=Path, required=True, help="folder with a folder of lung masks per shard")
    arguments.add_argument("--levels", type=json.loads, required=True, help="soft_level and air_level")
    arguments.add_argument("--scores", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    slices = read_table(args.slices, schema="slices")
    cases = read_table(args.cases, schema="cases").query("status == 'ok'")
    found = []
    for case in progress(rows_of(cases, CasesRow), "cases"):
        scored = volume_scores(*read_case(case, args.nifti, args.masks), **args.levels)
        found += [{"case": case["case"], "z_index": z_index, **scores} for z_index, scores in enumerate(scored)]
    # The columns are there too where no case could be read.
    table = pd.DataFrame(found, columns=["case", "z_index", *columns_of("scores")[1:]])
    scores = slices[["slice", "case", "z_index"]].merge(table, on=["case", "z_index"], validate="1:1")
    write_table(args.scores, scores.drop(columns=["case", "z_index"]), schema="scores")


if __name__ == "__main__":
    run(main)
