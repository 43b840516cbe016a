"""Estimate the disk and time that the jobs of a run will take, before the first of them starts.

Slices are counted in the cohort tables and in the folders that they name. benchmarks/rates.py measured what one slice
costs, at 512 x 512 and with the thesis's settings. The cost is scaled by pixels where the config sets an image size.
docs/scale.md shows the arithmetic. Phantom cohorts and jobs that cost little are not counted.
"""

import csv
import math
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
from lungsight.evaluation.transfer_study.settings import ALL, cells_of, settings_of_study
from lungsight.intake.cohort_table import TableRow
from lungsight.intake.file_kinds import HEAD, META_IMAGE, NIFTI2, NRRD, header_file, kind_of, unpacked
from lungsight.intake.shards import rows_by_shard
from lungsight.intake.text_headers import read_text_header, shape_of
from lungsight.segmentation.lung_tools import method_of_cohort
from lungsight.training.pipelines import ROLE_OF_STAGE, Pipeline, settings_of_pipeline
from lungsight.training.published_models import network_of

GIGABYTE = 1e9
MAX_VOXELS = 1 << 30  # as in intake.nifti, which need not be imported for an estimate


class Cost(NamedTuple):
    """Bytes that stay on disk, and seconds of one processor core."""

    disk: float = 0.0
    seconds: float = 0.0

    def times(self, number: float) -> "Cost":
        """Return the cost of so many."""
        return Cost(self.disk * number, self.seconds * number)


class Job(NamedTuple):
    """A job of a run: its rule and the values of its wildcards."""

    rule: str
    wildcards: dict[str, str]


# Per slice of 512 x 512, on one core of the processor of docs/benchmarks.md, without a GPU.
CONVERT = Cost(disk=500_000, seconds=0.04)
CONVERT_ANNOTATED = Cost(disk=380_000, seconds=0.04)
PREPARE = Cost(disk=800_000)
NETWORK_STEP = Cost(seconds=3.7)
SEGMENT = {
    "nnunet": Cost(disk=5_000, seconds=0.95),
    "classical": Cost(disk=5_000, seconds=0.04),
    "own": Cost(disk=5_000),  # the masks are copied
    # What the tools' own jobs take is in LUNG_TOOL.
    "lungmask": Cost(disk=5_000),
    "totalsegmentator": Cost(disk=5_000),
}
# Of TotalSegmentator without its time, which was not measured: its weights were not at hand.
LUNG_TOOL = {"lungmask": Cost(disk=5_000, seconds=4.0), "totalsegmentator": Cost(disk=5_000)}
PAGE = Cost(disk=32_000)
# Seconds of a training step per image of 256 x 256, by backbone. A backbone that is missing counts as the slowest.
TRAINING_RATES = Path(__file__).with_name("training_rates.tsv")
FORWARD = 0.25  # share of a training step that a forward pass takes
MODEL = Cost(disk=110e6)
# Work of a trained network in forward passes: Grad-CAM or another method that reads the pooled layer, a prediction of
# the audit, LayerCAM at all its strides. Metrics of a map and a changed slice are in seconds, at 256 x 256.
GRADCAM, AUDIT_PREDICTION, LAYERCAM = 1.0, 1.0, 1.6
MAP_METRICS, CHANGED_SLICE = Cost(seconds=0.025), Cost(seconds=0.002)
STRIDES = 3  # LayerCAM draws a map at each
BLOCKS = 6  # of a network that the sanity checks randomise: its head, and the blocks at strides 2 to 32
RANDOM_NETWORKS = 16  # with which replicates are compared
CURVES = 4  # deletion and insertion, for the map and for a random one


def count_slices(row: TableRow, root: Path, format: str) -> int:
    """Count the slices of one case: files of a folder, slices of a volume, or one image.

    Whatever cannot be read, or claims more voxels than any volume has, counts as one slice; its conversion will reject
    it with a reason.
    """
    place = root / row.path
    try:
        if place.is_dir():
            with os.scandir(place) as entries:
                return sum(entry.is_file() for entry in entries)
        shape = _shape_of_volume(place) if format == "nifti" else (1, 1, 1)
        possible = min(shape) > 0 and math.prod(map(int, shape)) <= MAX_VOXELS
        return int(shape[2]) if possible else 1
    except Exception:  # a damaged header fails in any of nibabel's many ways; intake.nifti catches them all as well
        return 1


def _shape_of_volume(path: Path) -> tuple[int, ...]:
    """Read the shape of a NIfTI, NRRD or MetaImage from its header."""
    path = header_file(path)
    with unpacked(path) as file:
        head = file.read(HEAD)
    kind = kind_of(head)
    if kind in (NRRD, META_IMAGE):
        return shape_of(read_text_header(path, kind))
    header = nibabel.Nifti2Header if kind == NIFTI2 else nibabel.Nifti1Header
    return header(head[: header.template_dtype.itemsize], check=False).get_data_shape()


@dataclass(frozen=True)
class RunPlan:
    """What a run works on: its complete config, and the table rows and number of shards of each cohort."""

    config: dict
    rows: dict[str, list[TableRow]]
    shards: dict[str, int]

    @cached_property
    def slices(self) -> dict[str, dict[str, int]]:
        """Number of slices by cohort and shard, without phantom cohorts, which are not made yet."""
        return {
            name: {
                shard: sum(count_slices(row, Path(cohort["root"]), cohort["format"]) for row in rows)
                for shard, rows in rows_by_shard(self.rows[name], self.shards[name]).items()
            }
            for name, cohort in self.config["cohorts"].items()
            if "phantom" not in cohort
        }

    def slices_of(self, wildcards: dict[str, str]) -> int:
        """Count the slices of a job's shard, or of its whole cohort."""
        shards = self.slices.get(wildcards["cohort"], {})
        return shards.get(wildcards["shard"], 0) if "shard" in wildcards else sum(shards.values())

    def slices_with_role(self, role: str) -> int:
        """Count the slices of the cohorts with a role."""
        return sum(self.slices_of({"cohort": cohort}) for cohort in cohorts_with_role(self.config, role))


def _image_scale(plan: RunPlan) -> float:
    return (plan.config["training"]["image_size"] / 256) ** 2


def training_of(network: str) -> Cost:
    """Return the cost of a training step per image of 256 × 256. A network without a measurement costs the most."""
    with open(TRAINING_RATES, encoding="utf-8", newline="") as file:
        rates = {row["backbone"]: float(row["seconds"]) for row in csv.DictReader(file, delimiter="\t")}
    return Cost(seconds=rates.get(network, max(rates.values())))


def _network(plan: RunPlan, pipeline: str) -> str:
    return network_of(Pipeline.parse(pipeline).architecture, plan.config["training"])


def _segment(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    return SEGMENT[method_of_cohort(plan.config, wildcards["cohort"])].times(plan.slices_of(wildcards))


def _run_lung_tool(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    return LUNG_TOOL[plan.config["segmentation"]["method"]].times(plan.slices_of(wildcards))


def _nnunet_train(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    settings = plan.config["segmentation"]
    steps = settings["epochs"] * (settings["iterations"] + settings["validation_iterations"] * FORWARD)
    return NETWORK_STEP.times(steps * settings["batch_size"] if plan.slices_with_role("segmentation") else 0)


def _image_cache(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    pixels = plan.config["training"]["image_size"] ** 2
    # Without lesion masks, the array of lesions is a file that takes no space.
    arrays = 4 if any(row.lesion for row in plan.rows[wildcards["cohort"]]) else 3
    return Cost(disk=arrays * pixels).times(plan.slices_of(wildcards))


def _passes(plan: RunPlan, epochs: int, slices: float, recalibrates: bool) -> float:
    """Count the training steps, in images, of so many epochs on a cohort of so many slices."""
    train, val, _ = plan.config["splits"]["fractions"]
    return epochs * slices * (train + (val + train * recalibrates) * FORWARD)


def _train_stage(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    stage, pipeline = int(wildcards["stage"][0]), Pipeline.parse(wildcards["pipeline"])
    training = settings_of_pipeline(pipeline, plan.config["training"])
    slices = plan.slices_with_role(ROLE_OF_STAGE[stage])
    if training["solver"] == "closed_form":
        train, val, _ = plan.config["splits"]["fractions"]
        passes = slices * (train + val) * FORWARD
    else:
        passes = _passes(plan, training["epochs"][f"stage{stage}"], slices, training["batch_norm_recalibration"])
    seconds = training_of(_network(plan, wildcards["pipeline"])).times(passes * _image_scale(plan)).seconds
    return Cost(disk=MODEL.disk if slices else 0.0, seconds=seconds)


def _pretrain_simsiam(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    """Count two views of every training slice in every epoch, and three passes that measure."""
    train, _, _ = plan.config["splits"]["fractions"]
    slices = train * sum(map(plan.slices_with_role, ROLE_OF_STAGE.values()))
    passes = slices * (2 * plan.config["training"]["simsiam"]["epochs"] + 3 * FORWARD)
    return training_of(wildcards["backbone"]).times(passes * _image_scale(plan))


def _infer_cohort(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    passes = plan.slices_of(wildcards) * FORWARD
    return training_of(_network(plan, wildcards["pipeline"])).times(passes * _image_scale(plan))


def _leakage_training(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    leakage, training = plan.config["leakage"], plan.config["training"]
    slices = plan.slices_of({"cohort": leakage_cohort(plan.config)})
    taken = slices / max(1, -(-slices // leakage["max_slices"]))
    recalibrates = leakage["batch_norm_recalibration"]
    passes = _passes(
        plan,
        leakage["epochs"] or training["epochs"]["stage1"],
        taken,
        training["batch_norm_recalibration"] if recalibrates is None else recalibrates,
    )
    passes += taken * plan.config["splits"]["fractions"][2] * FORWARD
    passes *= len(LEAKAGE_CONDITIONS)
    return training_of(_network(plan, wildcards["pipeline"])).times(passes * _image_scale(plan))


def _transfer_training(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    """Count every cell as if no block were frozen, and its validation in every epoch."""
    settings = settings_of_study(plan.config, wildcards["pipeline"])
    (target, *_) = cohorts_with_role(plan.config, "target")
    slices = plan.slices_of({"cohort": target})
    of_patient = slices / max(1, len({row.patient for row in plan.rows[target] if not row.skip}))
    train, val, test = plan.config["splits"]["fractions"]
    passes = 0.0
    for cell in cells_of(plan.config, wildcards["start"]):
        most = of_patient if cell.selection == ALL else plan.config["transfer_study"]["slices_per_patient"]
        trained = min(cell.patients * min(of_patient, most), train * slices)
        measured = trained * settings["batch_norm_recalibration"] + val * slices
        passes += settings["epochs"] * (trained + measured * FORWARD) + (val + test) * slices * FORWARD
    return training_of(_network(plan, wildcards["pipeline"])).times(passes * _image_scale(plan))


def _tested(plan: RunPlan, wildcards: dict[str, str]) -> float:
    """Count the test slices of the cohort that a stage is trained on."""
    return plan.slices_with_role(ROLE_OF_STAGE[int(wildcards["stage"][0])]) * plan.config["splits"]["fractions"][2]


def _forward_passes(plan: RunPlan, wildcards: dict[str, str], number: float, other_work: Cost) -> Cost:
    """Return the cost of forward passes of a pipeline's network and of other work, at the size of its images."""
    network = training_of(_network(plan, wildcards["pipeline"])).times(number * FORWARD)
    return Cost(seconds=network.seconds + other_work.seconds).times(_image_scale(plan))


def _explain_stage(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    explain, tested = plan.config["explain"], _tested(plan, wildcards)
    sampled = min(explain["sample"], tested)
    # Each method: its forward passes, and the maps that are measured.
    methods = {
        "gradcam_plus_plus": (GRADCAM, 1),
        "layercam": (LAYERCAM, STRIDES),
        "scorecam": (explain["score_cam_channels"], 1),
    }
    chosen = [methods[name] for name in explain["methods"]]
    forwards = tested * GRADCAM + sampled * sum(passes for passes, _ in chosen)
    maps = tested * 2 + sampled * sum(drawn for _, drawn in chosen)  # Grad-CAM draws ours and the thesis's
    return _forward_passes(plan, wildcards, forwards, MAP_METRICS.times(maps))


def _audit_stage(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    audit, tested = plan.config["audit"], _tested(plan, wildcards)
    changed = tested * len(INTERVENTIONS)
    of_sample = audit["randomisations"] * BLOCKS + CURVES * (audit["steps"] + 1)
    predictions = tested + changed + min(audit["sample"], tested) * of_sample
    return _forward_passes(plan, wildcards, predictions * AUDIT_PREDICTION, CHANGED_SLICE.times(changed))


def _replicate_maps(plan: RunPlan, wildcards: dict[str, str]) -> Cost:
    sample = min(plan.config["audit"]["sample"], _tested(plan, wildcards))
    networks = plan.config["training"]["replicates"] + RANDOM_NETWORKS
    return _forward_passes(plan, wildcards, networks * sample * AUDIT_PREDICTION, Cost())


def _per_slice(cost: Cost) -> Callable[[RunPlan, dict[str, str]], Cost]:
    return lambda plan, wildcards: cost.times(plan.slices_of(wildcards))


COST_OF_RULE: dict[str, Callable[[RunPlan, dict[str, str]], Cost]] = {
    "convert": _per_slice(CONVERT),
    "convert_annotated": _per_slice(CONVERT_ANNOTATED),
    "nnunet_prepare": lambda plan, wildcards: PREPARE.times(plan.slices_with_role("segmentation")),
    "nnunet_train": _nnunet_train,
    "hounsfield_volumes": _per_slice(CONVERT_ANNOTATED),  # for a while, as large as the windowed volumes
    "run_lung_tool": _run_lung_tool,
    "segment_shard": _segment,
    "qc_page": _per_slice(PAGE),
    "image_cache": _image_cache,
    "image_cache_of_region": _image_cache,
    "pretrain_simsiam": _pretrain_simsiam,
    "train_stage": _train_stage,
    "infer_cohort": _infer_cohort,
    "leakage_training": _leakage_training,
    "transfer_training": _transfer_training,
    "explain_stage": _explain_stage,
    "audit_stage": _audit_stage,
    "replicate_maps": _replicate_maps,
}


def estimate(plan: RunPlan, jobs: Iterable[Job]) -> Cost:
    """Sum the disk and processor time of the jobs."""
    costs = [COST_OF_RULE[job.rule](plan, job.wildcards) for job in jobs if job.rule in COST_OF_RULE]
    return Cost(sum(cost.disk for cost in costs), sum(cost.seconds for cost in costs))


def free_bytes(folder: Path) -> int:
    """Return the free space where a folder is or will be."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def in_words(plan: RunPlan, cost: Cost, free: int) -> str:
    """Write the estimate as one sentence."""
    slices = sum(sum(shards.values()) for shards in plan.slices.values())
    hours = cost.seconds / 3600
    time = f"{hours:,.0f} hours" if hours >= 10 else f"{cost.seconds / 60:,.0f} minutes"
    return (
        f"Estimate: {slices:,} slices, {cost.disk / GIGABYTE:,.1f} GB to write ({free / GIGABYTE:,.1f} GB are free),"
        f" {time} of one processor core without a GPU (docs/scale.md)."
    )


def check_disk(results: Path, cost: Cost, free: int) -> None:
    """Raise UserError if the disk cannot hold what the jobs will write."""
    if cost.disk > free:
        raise UserError(
            f"The run will write about {cost.disk / GIGABYTE:,.1f} GB below {results}, and {free / GIGABYTE:,.1f} GB"
            " are free there. Make room, or name another disk with `results:`. If you know better: --no-hooks."
        )
