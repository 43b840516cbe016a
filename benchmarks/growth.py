"""Measure how time and memory of the steps grow with the number of slices, training left out.

python benchmarks/growth.py [STEP …] [--largest 1000000]

Every step runs on generated data of 10,000 slices, of ten times and of a hundred times as many, each time in a process
of its own. Steps that read pictures have a tenth or a hundredth as many, as their names say. Processor seconds are the
step's alone; the peak memory is the process's, with its libraries and its generated tables. A size that would take
more than four minutes is left out.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.audit.forensics import forensics_table
from lungsight.config_check import complete_config
from lungsight.evaluation.decision_curves import decision_rows
from lungsight.evaluation.intervals import mean_with_interval
from lungsight.evaluation.metrics import metrics_row
from lungsight.evaluation.performance_differences import paired_rows
from lungsight.evaluation.subgroups import subgroup_rows
from lungsight.file_stamps import stamp_of_files
from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.intake.duplicates import find_duplicates
from lungsight.intake.forensics.measure import measure_shard
from lungsight.intake.forensics.traces import TRACES, WORD
from lungsight.intake.shards import CASES_PER_SHARD
from lungsight.qc.page import page_data, render, save_picture
from lungsight.qc.rules import decide
from lungsight.qc.scores import volume_scores
from lungsight.qc.volumes import read_case
from lungsight.rows import CasesRow
from lungsight.segmentation.classical import lung_mask
from lungsight.segmentation.volumes import read_image, write_mask
from lungsight.splits.cohort_split import CohortTables, SplitPlan, in_input_view, split_cohorts
from lungsight.splits.overlap import overlap_of, with_pixels
from lungsight.tables import columns_of, read_table, rows_of, table_schema, types_of, write_table
from lungsight.training.image_cache import ARRAYS, MASKS, write_image_cache

FIRST, FACTOR, LONGEST = 10_000, 10, 240  # slices; between two sizes; seconds
POSITIVE, NEGATIVE = "Covid-19", "Non Covid"
SLICES_OF_PATIENT = 10
RESAMPLES = 200  # a run has 2,000 by default: ten times the time of an interval
SIDE = 32  # pixels of a picture
OF_SHARD = CASES_PER_SHARD["png"]
CHEST, FEWER = 64, 100  # pixels of a picture with lungs; how many times fewer of them there are

Step = Callable[[], object]


def slices_table(count: int) -> pd.DataFrame:
    """Make a table `slices` of patients with ten slices each."""
    patients = [f"{number // SLICES_OF_PATIENT:016x}" for number in range(count)]
    return pd.DataFrame(
        {
            "slice": [f"{patient}-{number % SLICES_OF_PATIENT:04d}" for number, patient in enumerate(patients)],
            "case": patients,
            "patient": patients,
            "label": [POSITIVE if int(patient, 16) % 2 else NEGATIVE for patient in patients],
            "source": [f"hospital-{int(patient, 16) % 7}" for patient in patients],
            "z_index": np.arange(count) % SLICES_OF_PATIENT,
            "png": [f"png/0/{number}.png" for number in range(count)],
            "sha256": [f"{number:064x}" for number in range(count)],
        }
    )


def cohort_tables(count: int) -> CohortTables:
    slices = slices_table(count)
    cases = slices.groupby("case", sort=False, as_index=False).first()[["case", "patient", "label", "source"]]
    cases = cases.assign(row=range(1, len(cases) + 1), status="ok", preassigned_split="")
    keep = pd.Series(1, index=slices["slice"])
    return CohortTables("c", "target", cases, slices, {"whole": keep, "segmented": keep})


def predictions(count: int, seed: int = 0) -> pd.DataFrame:
    """Make a table of predictions: all slices are tested."""
    table = slices_table(count)[["slice", "patient", "label"]].assign(split="test")
    noise = np.random.default_rng(seed).normal(size=count)
    return table.assign(probability=1 / (1 + np.exp(-(table["label"] == POSITIVE) - noise)))


def scores_table(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    columns = {name: rng.random(count) for name in columns_of("scores")[1:]}
    integers = {name: rng.integers(0, 2, count) for name in columns if _is_integer(name)}
    return pd.DataFrame({"slice": slices_table(count)["slice"]} | columns | integers)


def _is_integer(score: str) -> bool:
    return "integer" in types_of(table_schema("scores")["properties"][score])


@cache
def defaults() -> dict:
    """Give a config with all its defaults."""
    cohort = {"role": "target", "format": "png", "root": ".", "table": "table.tsv"}
    return complete_config({"results": "results/x", "cohorts": {"x": cohort}})


def stamps(count: int, folder: Path) -> Step:
    names = [f"{number}.dcm" for number in range(count)]
    for name in names:
        (folder / name).touch()
    return lambda: stamp_of_files(folder, names)


def written_table(count: int, folder: Path) -> Step:
    table = slices_table(count)
    return lambda: write_table(folder / "slices.tsv", table, "slices")


def table_read(count: int, folder: Path) -> Step:
    slices_table(count).to_csv(folder / "slices.tsv", sep="\t", index=False)
    return lambda: read_table(folder / "slices.tsv", "slices")


def duplicates(count: int, folder: Path) -> Step:
    hashes = np.random.default_rng(2).integers(0, np.iinfo(np.uint64).max, count, dtype=np.uint64)
    table = slices_table(count).assign(cohort="c", perceptual_hash=[f"{value:016x}" for value in hashes])
    return lambda: find_duplicates(table, 6, lambda place: np.zeros((SIDE, SIDE), np.uint8))


def decisions(count: int, folder: Path) -> Step:
    scores, rules = scores_table(count), defaults()["qc"]["rules"]
    return lambda: decide(scores, rules)


def review_page(count: int, folder: Path) -> Step:
    scores = scores_table(count)
    decided = decide(scores, defaults()["qc"]["rules"])
    return lambda: render(page_data("c", scores, decided, True))


def split(count: int, folder: Path) -> Step:
    cohort, plan = cohort_tables(count), SplitPlan("patient", [0.8, 0.1, 0.1], 1)
    return lambda: in_input_view(split_cohorts([cohort], plan), cohort, "segmented")


def overlap(count: int, folder: Path) -> Step:
    cohort = cohort_tables(count)
    table = split_cohorts([cohort], SplitPlan("patient", [0.8, 0.1, 0.1], 1)).assign(duplicates="")
    return lambda: overlap_of(with_pixels(table, cohort.slices), [], True)


def image_cache(count: int, folder: Path) -> Step:
    """Read tiny pictures: what a large one costs is in docs/scale.md."""
    slices = slices_table(count // FACTOR)
    (folder / "png/0").mkdir(parents=True)
    for png in slices["png"]:
        Image.new("L", (SIDE, SIDE)).save(folder / png)
    arrays = {name: folder / f"{name}.npy" for name in ARRAYS}
    return lambda: write_image_cache(slices, folder, {name: folder / name for name in MASKS}, SIDE, arrays)


@dataclass(frozen=True)
class Cohort:
    """Pictures of a cohort, by shard."""

    folder: Path
    shards: list[tuple[TableRow, ...]]
    intake: Intake

    def convert(self) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """Convert each shard by itself, as the jobs of a run do; returns the tables of each."""
        made = []
        for number, rows in enumerate(self.shards):
            folders = Folders(self.folder / f"nifti/{number}", self.folder / f"png/{number}")
            cases, slices = convert_shard(rows, self.intake, folders)
            made.append((pd.DataFrame(cases), pd.DataFrame(slices)))
        return made

    def segment(self, tables: list[tuple[pd.DataFrame, pd.DataFrame]]) -> None:
        """Write the classical mask of each picture."""
        for number, (cases, _) in enumerate(tables):
            (masks := self.folder / f"masks/{number}").mkdir(parents=True)
            for case in cases["case"]:
                image = read_image(self.folder / f"nifti/{number}/{case}.nii.gz", case, False)
                write_mask(masks / f"{case}.nii.gz", lung_mask(image.volume), image.affine)


def chests(count: int, folder: Path) -> Cohort:
    """Write pictures of a body with two lungs, and a table of them, in shards of 512 as in a run."""
    rng = np.random.default_rng(4)
    rows, columns = np.mgrid[:CHEST, :CHEST] / CHEST - 0.5
    body = (rows / 0.4) ** 2 + (columns / 0.48) ** 2 < 1
    lungs = (rows / 0.25) ** 2 + ((abs(columns) - 0.2) / 0.15) ** 2 < 1
    chest = np.where(lungs, 60, np.where(body, 180, 0))
    table = []
    for number in range(count // FEWER):
        picture = np.clip(chest + rng.normal(0, 6, chest.shape), 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")
        table.append(TableRow(number + 1, f"p{number}", f"{number}.png", POSITIVE, source="", mask="", split=""))
    shards = [tuple(table[at : at + OF_SHARD]) for at in range(0, len(table), OF_SHARD)]
    intake = Intake("made", "png", folder, 1, defaults()["intake"] | {"png_size": CHEST}, b"key")
    return Cohort(folder, shards, intake)


def conversion(count: int, folder: Path) -> Step:
    return chests(count, folder).convert


def making(count: int, folder: Path) -> Step:
    cohort = chests(count, folder)
    tables = cohort.convert()

    def measure_all() -> None:
        for rows, (cases, slices) in zip(cohort.shards, tables, strict=True):
            paths = {case_of(cohort.intake.key, "made", row.path): row.path for row in rows}
            measure_shard("png", paths, folder, cases, slices, folder)

    return measure_all


def masks(count: int, folder: Path) -> Step:
    cohort = chests(count, folder)
    tables = cohort.convert()
    return lambda: cohort.segment(tables)


def quality(count: int, folder: Path) -> Step:
    cohort = chests(count, folder)
    tables = cohort.convert()
    cohort.segment(tables)
    cases = pd.concat([cases.assign(shard=str(number), row=0) for number, (cases, _) in enumerate(tables)])
    levels = {name: defaults()["qc"]["rules"][name] for name in ("soft_level", "air_level")}

    def score_all() -> None:
        for case in rows_of(cases, CasesRow):
            volume_scores(*read_case(case, folder / "nifti", folder / "masks"), **levels, known_window=False)

    return score_all


def review_pictures(count: int, folder: Path) -> Step:
    tables = chests(count, folder).convert()
    names = [name for _, slices in tables for name in slices["png"]]
    mask = np.zeros((CHEST, CHEST), bool)
    return lambda: [save_picture(folder / "one.jpg", np.asarray(Image.open(folder / name)), mask) for name in names]


def answers_of_making(count: int, folder: Path) -> Step:
    """Repeat the traces of a few pictures, with noise in numbers, so that patients differ."""
    cohort = chests(FIRST, folder)
    (rows,), ((cases, slices),) = cohort.shards, cohort.convert()
    paths = {case_of(cohort.intake.key, "made", row.path): row.path for row in rows}
    measured = pd.DataFrame(measure_shard("png", paths, folder, cases, slices, folder)).drop(columns="slice")
    numbers = [trace.name for trace in TRACES if trace.kind != WORD]
    measured[numbers] = measured[numbers].astype(float)
    traces = measured.sample(count, replace=True, random_state=5, ignore_index=True)
    traces[numbers] *= np.random.default_rng(6).normal(1, 0.1, (count, len(numbers)))
    table = pd.concat([slices_table(count)[["slice", "patient", "label"]], traces], axis=1)
    return lambda: forensics_table({"made": table}, 1)


def metrics(count: int, folder: Path) -> Step:
    table = predictions(count)
    return lambda: metrics_row(table, POSITIVE, RESAMPLES, 1)


def differences(count: int, folder: Path) -> Step:
    tables = [predictions(count, seed) for seed in (0, 1)]
    return lambda: paired_rows(*tables, "slice", POSITIVE, RESAMPLES, 1)


def decision_curves(count: int, folder: Path) -> Step:
    table = predictions(count)
    return lambda: decision_rows(table, POSITIVE, RESAMPLES, 1)


def subgroups(count: int, folder: Path) -> Step:
    table = predictions(count)
    groups = slices_table(count).set_index("slice")[["source"]]
    return lambda: subgroup_rows(table, groups, POSITIVE, RESAMPLES, 1)


def means_of_audit(count: int, folder: Path) -> Step:
    table, values = predictions(count), np.random.default_rng(3).normal(size=(count, 12))
    return lambda: mean_with_interval(values, table["patient"], RESAMPLES, 1)


STEPS: dict[str, tuple[Callable[[int, Path], Step], str]] = {
    "stamps": (stamps, "stamp of the user's files"),
    "written_table": (written_table, "a table checked and written"),
    "table_read": (table_read, "a table read and checked"),
    "duplicates": (duplicates, "`find_duplicates`, hashes of any bits"),
    "decisions": (decisions, "rules of quality control"),
    "review_page": (review_page, "`qc_page`, the text of the page"),
    "split": (split, "`make_split`, by patients"),
    "overlap": (overlap, "`split_overlap`"),
    "image_cache": (image_cache, "`image_cache`, a tenth as many pictures of 32 × 32"),
    "conversion": (conversion, "`convert`, a hundredth as many pictures of 64 × 64"),
    "making": (making, "`measure_forensics`, of these"),
    "masks": (masks, "`segment_shard`, classical masks of these"),
    "quality": (quality, "`qc_scores`, of these"),
    "review_pictures": (review_pictures, "pictures of `qc_page`, of these"),
    "answers": (answers_of_making, "`forensics_table`, one cohort"),
    "metrics": (metrics, "`evaluate_model`, metrics with intervals"),
    "differences": (differences, "`performance_differences`, one pair"),
    "decision_curves": (decision_curves, "`decision_curves`"),
    "subgroups": (subgroups, "`evaluate_subgroups`, seven sources"),
    "means_of_audit": (means_of_audit, "intervals of the audit, 12 columns"),
}


def measure_here(step: str, count: int) -> dict[str, float]:
    """Run a step in this process: processor seconds of the step, peak MB of the process."""
    with tempfile.TemporaryDirectory(prefix="lungsight-growth-") as folder:
        run = STEPS[step][0](count, Path(folder))
        start = time.process_time()
        run()
        seconds = time.process_time() - start
    return {"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def measure(step: str, count: int) -> dict[str, float]:
    """Run a step in a process of its own."""
    command = [sys.executable, __file__, step, "--here", str(count)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def exponent(costs: list[dict[str, float]]) -> float:
    """Tell the power of the size that the time follows, over the last factor of ten."""
    return math.log(costs[-1]["seconds"] / costs[-2]["seconds"], FACTOR)


def row_of(step: str, largest: int) -> str:
    costs: list[dict[str, float]] = []
    count = FIRST
    while count <= largest and (not costs or costs[-1]["seconds"] * FACTOR <= LONGEST):
        costs.append(measure(step, count))
        count *= FACTOR
    times = " → ".join(f"{cost['seconds']:.2f}" for cost in costs)
    peaks = " → ".join(f"{cost['megabytes']:.0f}" for cost in costs)
    power = f"{exponent(costs):.2f}" if len(costs) > 1 else ""
    return f"| {STEPS[step][1]} | {times} | {power} | {peaks} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("steps", nargs="*", choices=[*STEPS, []], default=[])
    parser.add_argument("--largest", type=int, default=FIRST * FACTOR**2, help="slices")
    parser.add_argument("--here", type=int, help="one step of so many slices, in this process")
    args = parser.parse_args()
    if args.here:
        print(json.dumps(measure_here(args.steps[0], args.here)))
        return
    print("| step | processor s | exponent | peak MB |\n|---|---|---|---|")
    for step in args.steps or STEPS:
        print(row_of(step, args.largest), flush=True)


if __name__ == "__main__":
    main()
