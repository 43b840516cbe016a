"""How much disk and time the jobs of a run will take, before the first of them starts.

Slices are counted from the cohort tables and the folders that they name; what one slice costs was measured by
benchmarks/rates.py at 512 x 512 and at the thesis's settings, and is scaled by pixels where the config says how many.
docs/scale.md shows the arithmetic. Jobs that cost little beside these are not counted, nor are phantom cohorts.
"""

import csv
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import nibabel

from lungsight.audit.interventions import INTERVENTIONS
from lungsight.config import cohorts_with_role
from lungsight.errors import UserError
from lungsight.evaluation.leakage_inflation.settings import LEAKAGE_CONDITIONS, leakage_cohort
from lungsight.intake.cohort_table import TableRow, rows_by_shard
from lungsight.training.pipelines import ROLE_OF_STAGE, Pipeline
from lungsight.training.published_models import recipe_of, training_settings

GIGABYTE = 1e9


class Cost(NamedTuple):
    """Bytes that stay on disk, and seconds of one processor core."""

    disk: float = 0.0
    seconds: float = 0.0

    def times(self, number: float) -> "Cost":
        return Cost(self.disk * number, self.seconds * number)


class Job(NamedTuple):
    """A job of a run: its rule, and what its wildcards are."""

    rule: str
    wildcards: dict[str, str]


# Per slice of 512 x 512, on one core of the processor of docs/benchmarks.md, without a GPU.
CONVERT = Cost(disk=500_000, seconds=0.04)
CONVERT_ANNOTATED = Cost(disk=380_000, seconds=0.04)
PREPARE = Cost(disk=800_000)
NETWORK_STEP = Cost(seconds=3.7)
SEGMENT = {"nnunet": Cost(disk=5_000, seconds=0.95), "classical": Cost(disk=5_000, seconds=0.04)}
PAGE = Cost(disk=32_000)
# Per image of 256 x 256, forward and back, by backbone. One that is not in the table counts as the slowest.
TRAINING_RATES = Path(__file__).with_name("training_rates.tsv")
FORWARD = 0.25  # of that, a forward pass alone
MODEL = Cost(disk=110e6)
# Maps and answers of a trained network, in forward passes: Grad-CAM and all methods that read the pooled layer, an
# answer of the audit, LayerCAM at its strides together. Metrics of a map and a changed slice in seconds, at 256 x 256.
GRADCAM, ANSWER, LAYERCAM = 1.0, 1.0, 1.6
MAP_METRICS, CHANGED_SLICE = Cost(seconds=0.025), Cost(seconds=0.002)
STRIDES = 3  # at which LayerCAM draws a map
BLOCKS = 6  # of a network that is re-initialised: its head, and what gives out maps at strides 2 to 32
CURVES = 4  # deletion and insertion, for the map and for a random one


def count_slices(row: TableRow, root: Path, format: str) -> int:
    """Slices of one case: files of a folder, slices of a volume, or the one image; of an unreadable volume, one."""
    place = root / row.path
    if place.is_dir():
        with os.scandir(place) as entries:
            return sum(entry.is_file() for entry in entries)
    if format != "nifti":
        return 1
    try:
        return int(nibabel.load(place).shape[2])
    except (OSError, IndexError, nibabel.filebasedimages.ImageFileError):
        return 1


@dataclass(frozen=True)
class RunPlan:
    """What a run works on. config: complete; rows: of each cohort's table; shards: how many each cohort has."""

    config: dict
    rows: dict[str, list[TableRow]]
    shards: dict[str, int]

    @cached_property
    def slices(self) -> dict[str, dict[str, int]]:
        """Cohort → shard → slices; none for a phantom cohort, which is not there yet."""
        return {
            name: {
                shard: sum(count_slices(row, Path(cohort["root"]), cohort["format"]) for row in rows)
                for shard, rows in rows_by_shard(self.rows[name], self.shards[name]).items()
            }
            for name, cohort in self.config["cohorts"].items()
            if "phantom" not in cohort
        }

    def slices_of(self, wildcards: dict[str, str]) -> int:
        """Slices of a job's shard, or of its whole cohort."""
        shards = self.slices.get(wildcards["cohort"], {})
        return shards.get(wildcards["shard"], 0) if "shard" in wildcards else sum(shards.values())

    def slices_with_role(self, role: str) -> int:
        return sum(self.slices_of({"cohort": cohort}) for cohort in cohorts_with_role(self.config, role))


def _image_scale(plan: RunPlan) -> float:
    return (plan.config["training"]["image_size"] / 256) ** 2


def training_of(word: str) -> Cost:
    """What one image of 256 × 256 costs, forward and back; word: a backbone, or a system by its name."""
    with open(TRAINING_RATES, encoding="utf-8", newline="") as file:
        rates = {row["backbone"]: float(row["seconds"]) for row in csv.DictReader(file, delimiter="\t")}
    return Cost(seconds=rates.get(recipe_of(word).backbone, max(rates.values())))


def _segment(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    return SEGMENT[plan.config["segmentation"]["method"]].times(plan.slices_of(wildcards))


def _nnunet_train(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    settings = plan.config["segmentation"]
    steps = settings["epochs"] * (settings["iterations"] + settings["validation_iterations"] * FORWARD)
    return NETWORK_STEP.times(steps * settings["batch_size"] if plan.slices_with_role("segmentation") else 0)


def _image_cache(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    pixels = plan.config["training"]["image_size"] ** 2
    # Lesions that nobody gave leave a file without blocks.
    arrays = 4 if any(row.lesion for row in plan.rows[wildcards["cohort"]]) else 3
    return Cost(disk=arrays * pixels).times(plan.slices_of(wildcards))


def _passes(plan: RunPlan, epochs: int, slices: float, recalibrates: bool) -> float:
    """Training steps, counted in images, that epochs on a cohort of so many slices amount to."""
    train, val, _ = plan.config["splits"]["fractions"]
    return epochs * slices * (train + (val + train * recalibrates) * FORWARD)


def _train_stage(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    stage, word = int(wildcards["stage"][0]), Pipeline.parse(wildcards["pipeline"]).architecture
    training = training_settings(word, plan.config["training"])
    slices = plan.slices_with_role(ROLE_OF_STAGE[stage])
    if training["solver"] == "closed_form":
        train, val, _ = plan.config["splits"]["fractions"]
        passes = slices * (train + val) * FORWARD
    else:
        passes = _passes(plan, training["epochs"][f"stage{stage}"], slices, training["batch_norm_recalibration"])
    seconds = training_of(word).times(passes * _image_scale(plan)).seconds
    return Cost(disk=MODEL.disk if slices else 0.0, seconds=seconds)


def _classify(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    return training_of(Pipeline.parse(wildcards["pipeline"]).architecture).times(
        plan.slices_of(wildcards) * _image_scale(plan) * FORWARD
    )


def _leakage_trial(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    own, training = plan.config["leakage"], plan.config["training"]
    slices = plan.slices_of({"cohort": leakage_cohort(plan.config)})
    taken = slices / max(1, -(-slices // own["max_slices"]))
    recalibrates = own["batch_norm_recalibration"]
    passes = _passes(
        plan,
        own["epochs"] or training["epochs"]["stage1"],
        taken,
        training["batch_norm_recalibration"] if recalibrates is None else recalibrates,
    )
    passes += taken * plan.config["splits"]["fractions"][2] * FORWARD
    backbone = Pipeline.parse(wildcards["pipeline"]).architecture
    return training_of(backbone).times(len(LEAKAGE_CONDITIONS) * passes * _image_scale(plan))


def _tested(plan: RunPlan, wildcards: dict[str, str]) -> float:
    """Test slices of the cohort that a stage is trained on."""
    return plan.slices_with_role(ROLE_OF_STAGE[int(wildcards["stage"][0])]) * plan.config["splits"]["fractions"][2]


def _asked(plan: RunPlan, wildcards: dict[str, str], forwards: float, beside: Cost) -> Cost:
    """Forward passes of a pipeline's network, and what is done beside them, at the size of its images."""
    network = training_of(Pipeline.parse(wildcards["pipeline"]).architecture).times(forwards * FORWARD)
    return Cost(seconds=network.seconds + beside.seconds).times(_image_scale(plan))


def _explain_stage(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    explain, tested = plan.config["explain"], _tested(plan, wildcards)
    sampled = min(explain["sample"], tested)
    # Of each method: forward passes, and maps that are measured.
    methods = {
        "gradcam_plus_plus": (GRADCAM, 1),
        "layercam": (LAYERCAM, STRIDES),
        "scorecam": (explain["score_cam_channels"], 1),
    }
    chosen = [methods[name] for name in explain["methods"]]
    forwards = tested * GRADCAM + sampled * sum(passes for passes, _ in chosen)
    maps = tested * 2 + sampled * sum(drawn for _, drawn in chosen)  # Grad-CAM draws ours and the thesis's
    return _asked(plan, wildcards, forwards, MAP_METRICS.times(maps))


def _audit_stage(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    audit, tested = plan.config["audit"], _tested(plan, wildcards)
    changed = tested * len(INTERVENTIONS)
    of_sample = audit["randomisations"] * BLOCKS + CURVES * (audit["steps"] + 1)
    answers = tested + changed + min(audit["sample"], tested) * of_sample
    return _asked(plan, wildcards, answers * ANSWER, CHANGED_SLICE.times(changed))


def _per_slice(cost: Cost) -> Callable[[RunPlan, dict[str, str]], Cost]:
    return lambda plan, wildcards: cost.times(plan.slices_of(wildcards))


COST_OF_RULE: dict[str, Callable[[RunPlan, dict[str, str]], Cost]] = {
    "convert": _per_slice(CONVERT),
    "convert_annotated": _per_slice(CONVERT_ANNOTATED),
    "nnunet_prepare": lambda plan, wildcards: PREPARE.times(plan.slices_with_role("segmentation")),
    "nnunet_train": _nnunet_train,
    "segment_shard": _segment,
    "qc_page": _per_slice(PAGE),
    "image_cache": _image_cache,
    "train_stage": _train_stage,
    "infer_cohort": _classify,
    "leakage_training": _leakage_trial,
    "explain_stage": _explain_stage,
    "audit_stage": _audit_stage,
}


def estimate(plan: RunPlan, jobs: Iterable[Job]) -> Cost:
    """Disk and processor time of the jobs together."""
    costs = [COST_OF_RULE[job.rule](plan, job.wildcards) for job in jobs if job.rule in COST_OF_RULE]
    return Cost(sum(cost.disk for cost in costs), sum(cost.seconds for cost in costs))


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def in_words(plan: RunPlan, cost: Cost, free: int) -> str:
    """The estimate in one sentence."""
    slices = sum(sum(shards.values()) for shards in plan.slices.values())
    hours = cost.seconds / 3600
    time = f"{hours:,.0f} hours" if hours >= 10 else f"{cost.seconds / 60:,.0f} minutes"
    return (
        f"Estimate: {slices:,} slices, {cost.disk / GIGABYTE:,.1f} GB to write ({free / GIGABYTE:,.1f} GB are free),"
        f" {time} of one processor core without a GPU (docs/scale.md)."
    )


def check_disk(results: Path, cost: Cost, free: int) -> None:
    """Raise UserError where the disk cannot hold what the jobs will write."""
    if cost.disk > free:
        raise UserError(
            f"The run will write about {cost.disk / GIGABYTE:,.1f} GB below {results}, and {free / GIGABYTE:,.1f} GB"
            " are free there. Make room, or name another disk with `results:`. If you know better: --no-hooks."
        )
