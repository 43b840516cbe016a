"""Compare the CPU time of measuring traces with that of converting the same scans.

python benchmarks/forensics_cost.py --format {dicom,png} --root DIR

dicom: each folder in DIR is a series. png: 200 of the PNG and JPEG files below DIR. Both steps run in this process, one
after the other, without Snakemake and without starting Python.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.config_check import complete_config
from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.intake.forensics.measure import measure_shard

PICTURES = 200
KEY = b"benchmark"


def settings() -> dict:
    """Give the config's `intake` with all its defaults."""
    cohort = {"role": "target", "format": "png", "root": ".", "table": "table.tsv"}
    return complete_config({"results": "results/x", "cohorts": {"x": cohort}})["intake"]


def compare(format: str, root: Path, paths: list[str]) -> None:
    """Convert, measure, and print both times and their ratio."""
    rows = [TableRow(n, str(n), path, "", "", "", "") for n, path in enumerate(paths, start=1)]
    intake = Intake("x", format, root, 1, settings(), KEY)
    with tempfile.TemporaryDirectory() as place:
        folders = Folders(*(Path(place) / part / "000" for part in ("nifti", "png")))
        started = time.process_time()
        cases, slices = convert_shard(rows, intake, folders)
        converted = time.process_time()
        where = {case_of(KEY, "x", path): root / path for path in paths}
        measured = measure_shard(format, where, root, pd.DataFrame(cases), pd.DataFrame(slices), Path(place))
        ended = time.process_time()
    each = [1000 * seconds / len(measured) for seconds in (converted - started, ended - converted)]
    print(
        f"{format}: {len(measured)} slices, convert {each[0]:.1f} ms, measure {each[1]:.2f} ms: {each[1] / each[0]:.0%}"
    )


def paths_of(format: str, root: Path) -> list[str]:
    """Name the series, or the pictures that are taken, from the root on."""
    if format == "dicom":
        return sorted(path.name for path in root.iterdir() if path.is_dir())
    files = sorted(path for path in root.rglob("*") if path.suffix in (".png", ".jpg"))
    return [str(path.relative_to(root)) for path in files[:: max(1, len(files) // PICTURES)][:PICTURES]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--format", choices=["dicom", "png"], required=True)
    arguments.add_argument("--root", type=Path, required=True)
    args = arguments.parse_args()
    compare(args.format, args.root, paths_of(args.format, args.root))


if __name__ == "__main__":
    main()
