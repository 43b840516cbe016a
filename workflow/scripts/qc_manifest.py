"""Decide which slices each framework keeps, from the scores and from a person's decisions, which overrule them."""

import json
from argparse import Namespace
from pathlib import Path

import pandas as pd

from lungsight.program import log, parser, run
from lungsight.qc.decisions import (
    agreement_in_words,
    check_known,
    overrule,
    read_decisions,
    refuse_without_mask,
    require_decisions,
)
from lungsight.qc.rules import decide
from lungsight.tables import columns_of, read_table, write_table


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--scores", type=Path, required=True)
    arguments.add_argument("--decisions", type=Path, nargs="*", default=[], help="tables of a person's decisions")
    arguments.add_argument("--slices", type=Path, nargs="*", default=[], help="tables of all slices one may decide on")
    arguments.add_argument("--rules", type=json.loads, required=True, help="the limits of qc.rules")
    arguments.add_argument("--review", choices=["automatic", "required"], required=True)
    arguments.add_argument("--page", required=True, help="where the review page is, for the message")
    arguments.add_argument("--folder", nargs="?", const="", default="", help="where decisions belong, for the message")
    arguments.add_argument("--manifest", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    scores = read_table(args.scores, schema="scores")
    decisions = pd.concat([read_decisions(path) for path in args.decisions]) if args.decisions else None
    if args.review == "required":
        require_decisions(args.cohort, decisions, set(scores["slice"]), args.page, args.folder)
    manifest = scores.join(decide(scores, args.rules).drop(columns="suspicion"))
    if decisions is None:
        manifest = manifest.assign(decided_by="auto")
    else:
        if all(path.is_file() for path in args.slices):  # else a cohort is still to be taken in: ask again then
            known = pd.concat([read_table(path, schema="slices")["slice"] for path in args.slices])
            check_known(decisions, set(known))
        for sentence in agreement_in_words(decisions[decisions["slice"].isin(scores["slice"])]):
            log(sentence)
        manifest = refuse_without_mask(overrule(manifest, decisions))
    write_table(args.manifest, manifest[columns_of("manifest")], schema="manifest")
    kept = manifest[["whole_keep", "segmented_keep"]].sum()
    log(
        f"cohort {args.cohort}: of {len(manifest)} slices {kept['whole_keep']} kept whole, "
        f"{kept['segmented_keep']} segmented; {(manifest['decided_by'] == 'person').sum()} decided by a person."
    )


if __name__ == "__main__":
    run(main)
