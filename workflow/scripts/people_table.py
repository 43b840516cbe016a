"""Make people.tsv of a cohort, age band and sex of its cases, from the user's table and DICOM headers."""

import argparse
from pathlib import Path

from lungsight.intake.bucket import scans_at_hand
from lungsight.intake.cohort_table import TableRow, case_of, read_people
from lungsight.intake.person_headers import MOST_FILES_TRIED, person_of_scan
from lungsight.intake.quiet import quiet
from lungsight.layout import CASES, PEOPLE
from lungsight.privacy import key_of
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=Path, required=True, help="cohort table, as the user wrote it")
    arguments.add_argument("--root", required=True, help="folder that the table's paths start from")
    arguments.add_argument("--key", type=Path, required=True, help="key of the pseudonyms")
    arguments.add_argument("--format", required=True, help="dicom, nifti or png")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort, named after it")
    return arguments.parse_args()


def person_of(row: TableRow, root: str, format: str) -> dict[str, str]:
    """Give age band and sex of a row: the table's, else those of a DICOM header."""
    age, sex = row.age, row.sex
    if format == "dicom" and not (age and sex):
        with scans_at_hand(root, [row.path], most=MOST_FILES_TRIED) as here:
            age_of_header, sex_of_header = person_of_scan(here / row.path, here)
        age, sex = age or age_of_header, sex or sex_of_header
    return {"age": age, "sex": sex}


def main() -> None:
    """Write the table."""
    args = parse_args()
    key = key_of(args.key)
    cases = read_table(args.cohort / CASES, schema="cases")
    usable = set(cases.loc[cases["status"] == "ok", "case"])
    rows = {case_of(key, args.cohort.name, row.path): row for row in read_people(args.table)}
    quiet()
    people = [{"case": case, **person_of(row, args.root, args.format)} for case, row in rows.items() if case in usable]
    write_table(args.cohort / PEOPLE, people, schema="people")


if __name__ == "__main__":
    run(main)
