"""Learn requests of memory and time for a cluster from the benchmark files of a pilot run."""

import argparse
import json
from pathlib import Path

from lungsight.files import write_text
from lungsight.program import parser, run
from lungsight.resources import Sizes, in_words, jobs_of_pilot, learned, profile_text, slices_of_run
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--pilot", type=Path, required=True, help="results folder of the pilot run")
    arguments.add_argument("--planned", type=json.loads, required=True, help="cohort → shard → slices, as JSON")
    arguments.add_argument("--profile", type=Path, required=True, help="profile whose requests are replaced")
    arguments.add_argument("--table", type=Path, required=True, help="output")
    arguments.add_argument("--written", type=Path, required=True, help="output: the profile with learned requests")
    return arguments.parse_args()


def main() -> None:
    """Write the table and the profile, and say what was learned."""
    args = parse_args()
    jobs = jobs_of_pilot(args.pilot)
    rows = learned(jobs, Sizes(slices_of_run(args.pilot), args.planned))
    write_table(args.table, rows, schema="resources")
    write_text(args.written, profile_text(args.profile, rows, args.pilot))
    print(in_words(args.profile, jobs, rows, args.written), flush=True)


if __name__ == "__main__":
    run(main)
