"""Make the manifest of a cohort, which slices are kept, from their scores and a person's decisions.

A decision overrules the scores.
"""

import argparse
import json
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


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True, help="the cohort's name, for messages")
    arguments.add_argument("--scores", type=Path, required=True, help="scores of the cohort's slices")
    arguments.add_argument("--decisions", type=Path, nargs="*", default=[], help="tables of a person's decisions")
    arguments.add_argument("--slices", type=Path, nargs="*", default=[], help="tables of all slices one may decide on")
    arguments.add_argument("--settings", type=json.loads, required=True, help="the config's qc section, as JSON")
    arguments.add_argument("--page", required=True, help="where the review page is, for the message")
    arguments.add_argument("--manifest", type=Path, required=True, help="output")
    return arguments.parse_args()


def overruled(manifest: pd.DataFrame, decisions: pd.DataFrame, slices: list[Path]) -> pd.DataFrame:
    """Return the manifest with a person's decisions in it; log how far they agree with each other.

    slices: tables of all slices that one may decide on. Where one is not made yet, nobody can say that a decision is
    about no slice; the check is repeated once it is there.
    """
    if all(path.is_file() for path in slices):
        check_known(decisions, set(pd.concat([read_table(path, schema="slices")["slice"] for path in slices])))
    for sentence in agreement_in_words(decisions[decisions["slice"].isin(manifest["slice"])]):
        log(sentence)
    return refuse_without_mask(overrule(manifest, decisions))


def main() -> None:
    """Write the manifest."""
    args = parse_args()
    settings, scores = args.settings, read_table(args.scores, schema="scores")
    decisions = pd.concat([read_decisions(path) for path in args.decisions]) if args.decisions else None
    if settings["review"] == "required":
        require_decisions(args.cohort, decisions, set(scores["slice"]), args.page, settings["decisions"])
    manifest = scores.join(decide(scores, settings["rules"]).drop(columns="suspicion")).assign(decided_by="auto")
    if decisions is not None:
        manifest = overruled(manifest, decisions, args.slices)
    write_table(args.manifest, manifest[columns_of("manifest")], schema="manifest")
    kept, person = manifest[["whole_keep", "segmented_keep"]].sum(), (manifest["decided_by"] == "person").sum()
    log(
        f"cohort {args.cohort}: of {len(manifest)} slices {kept['whole_keep']} kept whole, "
        f"{kept['segmented_keep']} segmented; {person} decided by a person."
    )


if __name__ == "__main__":
    run(main)
