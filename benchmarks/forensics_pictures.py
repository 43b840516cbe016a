"""Ask what tells the label in the public pictures of two sets, and what tells the sets apart, without a lung.

python benchmarks/forensics_pictures.py --data DIR [--out DIR] [--papers]

DIR: `Data` of the repository Coronavirus-Visualization-Team/CVT_COVID-CT-CNN, with master-data/ and Meta/. Soares'
SARS-CoV-2 CT-scan data set are the files `Covid (n).png` and `Non-Covid (n).png`; it names no patients, so each picture
counts as one. COVID-CT are the files that its two tables of metadata name. A patient is one of those tables, or the
figure of a paper where they say none. With --out, the two tables of traces are written there. With --papers, each paper
of COVID-CT counts as one patient, since pictures of one paper were made together.
"""

import argparse
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.audit.forensics import forensics_table
from lungsight.intake.forensics.measure import measure_picture
from lungsight.intake.forensics.traces import BY_NAME, values_of_file, values_of_pixels

LABELS = {"COVID": "Covid-19", "NonCOVID": "Non Covid"}
SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
SOARES, COVID_CT = "SARS-CoV-2 CT-scan", "COVID-CT"
SHOWN = ["trace", "title", "anatomy", "patients", "known", "auc", "balanced_accuracy", "p", "p_holm"]


def rows_of_spreadsheet(path: Path) -> Iterator[list[str]]:
    """Yield the cells of the first sheet of an .xlsx file, as text."""
    with zipfile.ZipFile(path) as archive:
        shared = ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))
        strings = ["".join(item.itertext()) for item in shared]
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    for row in sheet.iter(f"{SPREADSHEET}row"):
        cells = {}
        for cell in row.iter(f"{SPREADSHEET}c"):
            value = cell.findtext(f"{SPREADSHEET}v") or ""
            column = re.match(r"[A-Z]+", cell.get("r", "A"))[0]
            cells[column] = strings[int(value)] if cell.get("t") == "s" and value else value
        yield [cells.get(column, "") for column in "ABCDEF"]


def patients_of_covid_ct(data: Path) -> dict[str, str]:
    """Name of a picture of COVID-CT → its patient."""
    positive = {row[0]: row[1] for row in list(rows_of_spreadsheet(data / "Meta/COVID-CT-MetaInfo.xlsx"))[1:] if row[0]}
    negative = pd.read_csv(data / "Meta/NonCOVID-CT-MetaInfo.csv", dtype=str).fillna("")
    patients = positive | dict(zip(negative["image name"], negative["patient id"], strict=True))
    # Some names of the table lack their ending.
    with_ending = {
        name if Path(name).suffix in (".png", ".jpg") else f"{name}.png": who for name, who in patients.items()
    }
    return {name: who.strip() or re.split(r"%|\.(?:png|jpg)", name)[0] for name, who in with_ending.items()}


def files_of(data: Path) -> pd.DataFrame:
    """List the pictures of both sets: set, label, patient, path."""
    patients = patients_of_covid_ct(data)
    rows = []
    for folder, label in LABELS.items():
        for path in sorted((data / "master-data" / folder).iterdir()):
            if re.fullmatch(r"(Covid|Non-Covid) \(\d+\)\.png", path.name):
                rows.append((SOARES, label, f"{folder}/{path.name}", path))
            elif path.name in patients:
                rows.append((COVID_CT, label, f"{label}/{patients[path.name]}", path))
    return pd.DataFrame(rows, columns=["set", "label", "patient", "path"])


def papers_of(files: pd.DataFrame) -> pd.Series:
    """Name the paper of each picture of COVID-CT whose file is named after one; of all others the patient."""
    names = [path.name for path in files["path"]]
    papers = [re.split(r"-p\d+|%|\.png", name)[0] for name in names]
    in_a_paper = (files["set"] == COVID_CT) & (files["label"] == LABELS["COVID"])
    return files["patient"].where(~in_a_paper, pd.Series(papers, index=files.index))


def measured(files: pd.DataFrame) -> pd.DataFrame:
    """Measure every picture."""
    rows = []
    for path in files["path"]:
        stored, pixels = measure_picture(path)
        rows.append(values_of_file(stored) | values_of_pixels(pixels))
    return pd.concat([files.reset_index(drop=True), pd.DataFrame(rows)], axis=1)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path)
    arguments.add_argument("--papers", action="store_true")
    arguments.add_argument("--permutations", type=int, default=999)
    args = arguments.parse_args()
    files = files_of(args.data)
    if args.papers:
        files["patient"] = papers_of(files)
    print(files.groupby(["set", "label"])[["path", "patient"]].nunique().to_string())
    started = time.process_time()
    traces = {name: measured(table) for name, table in files.groupby("set", sort=False)}
    print(f"measured: {1000 * (time.process_time() - started) / len(files):.1f} ms of CPU a picture")
    if args.out:
        for name, table in traces.items():
            table.to_csv(args.out / f"{name}.tsv", sep="\t", index=False)
    started = time.process_time()
    table = forensics_table(traces, seed=1, permutations=args.permutations)
    print(f"asked: {time.process_time() - started:.0f} s of CPU")
    table["title"] = [BY_NAME[name].title if name in BY_NAME else "" for name in table["trace"]]
    table["anatomy"] = ["yes" if name in BY_NAME and BY_NAME[name].anatomy else "" for name in table["trace"]]
    for (cohort, tells), rows in table.groupby(["cohort", "tells"], sort=False):
        print(f"\n{cohort}: what tells the {tells}")
        ranked = rows[rows["p"].notna()].sort_values("auc", ascending=False)
        print(ranked[SHOWN].to_string(index=False, float_format=lambda value: f"{value:.3f}"))


if __name__ == "__main__":
    main()
