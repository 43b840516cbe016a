"""Make flow.tsv, the way of the patients, and risk.tsv, the risk of bias by stated rules, from a run's tables."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from lungsight.checklists.evidence import Evidence, read_evidence
from lungsight.checklists.patient_flow import flow_rows
from lungsight.checklists.risk import risk_rows
from lungsight.checklists.study import read_study
from lungsight.program import parser, run
from lungsight.rows import FlowRow
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--thesis", type=Path, required=True, help="the thesis's numbers as printed")
    arguments.add_argument("--study", type=Path, nargs="?", help="the study file; none where the config names none")
    arguments.add_argument("--withheld", nargs="*", default=[], help="keys of the study file that no result shows")
    arguments.add_argument("--flow", type=Path, required=True, help="output")
    arguments.add_argument("--risk", type=Path, required=True, help="output")
    return arguments.parse_args()


def flow_of(evidence: Evidence) -> list[FlowRow]:
    """Follow the patients of every cohort."""
    results = evidence.results
    rows = []
    for name, cases in results.cases.items():
        splits = {view: split for (cohort, view), split in results.splits.items() if cohort == name}
        slices, manifest = results.slices.get(name), results.manifests.get(name)
        rows += flow_rows(name, cases, slices, manifest, splits, results.input_views)
    return rows


def main() -> None:
    """Write both tables."""
    args = parse_args()
    study = {key: text for key, text in read_study(args.study).items() if key not in args.withheld}
    evidence = read_evidence(args.results, args.run, args.thesis, study)
    write_table(args.flow, flow_of(evidence), schema="flow")
    judged = replace(evidence, flow=read_table(args.flow, "flow"))
    write_table(args.risk, risk_rows(judged), schema="risk")


if __name__ == "__main__":
    run(main)
