"""Make the manifest of a cohort, which slices are kept, from their scores and a person's decisions.

A decision overrules the scores.
"""

import argparse
import json
from pathlib import Path

from lungsight.program import log, parser, run
from lungsight.qc.decisions import agreement_in_words
from lungsight.qc.kept import checked_decisions, decided
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


def main() -> None:
    """Write the manifest."""
    args = parse_args()
    scores = read_table(args.scores, schema="scores")
    decisions = checked_decisions(args.cohort, scores, args.decisions, args.slices, args.settings, args.page)
    if decisions is not None:
        for sentence in agreement_in_words(decisions[decisions["slice"].isin(scores["slice"])]):
            log(sentence)
    manifest = decided(scores, args.settings["rules"], decisions)
    write_table(args.manifest, manifest[columns_of("manifest")], schema="manifest")
    kept, person = manifest[["whole_keep", "segmented_keep"]].sum(), (manifest["decided_by"] == "person").sum()
    log(
        f"cohort {args.cohort}: of {len(manifest)} slices {kept['whole_keep']} kept whole, "
        f"{kept['segmented_keep']} segmented; {person} decided by a person."
    )


if __name__ == "__main__":
    run(main)
