"""A whole made run: what everything before the report would have left, for any config."""

import atexit
import shutil
import tempfile
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lungsight.classes import Classes
from lungsight.config import cohorts_with_role
from lungsight.config_check import complete_config
from lungsight.evaluation.leakage_inflation.settings import LEAKAGE_CONDITIONS, leakage_cohort, leakage_pipelines
from lungsight.evaluation.model_evaluation import evaluate_model
from lungsight.explain.explanation import SliceImages, describe_methods, measure_maps, other_methods, outcomes
from lungsight.explain.gradcam import PRIMARY, THESIS, Target
from lungsight.explain.layers import Layers, save_layers
from lungsight.explain.lesions import Lesions
from lungsight.explain.map_files import save_maps
from lungsight.explain.margin import ASSUMED, near_lung
from lungsight.explain.mean_map import describe_mean_maps, mean_maps, save_mean_maps
from lungsight.explain.model_summary import summarise_model, tables_of_methods
from lungsight.explain.overlays import draw_mean_maps, draw_overlays
from lungsight.explain.resample import average_area
from lungsight.explain.sampling import pictures_by_confidence, pictures_of
from lungsight.files import write_json
from lungsight.run_description import describe_run
from lungsight.tables import write_table
from lungsight.training.pipelines import Pipeline, input_views_of, pipelines_of, stages_of
from lungsight.training.published_models import recipe_of, training_settings
from tests.factories.audit import made_audit, made_metadata
from tests.factories.forensics import made_answers
from tests.factories.pretraining import made_pretraining
from tests.factories.tables import NEGATIVE, POSITIVE, disc, made_cohort, made_manifest, made_slice, made_split
from tests.factories.workspace import Workspace

SIZE, GRID = 64, 8
COHORT_OF_STAGE = {1: "public", 2: "target"}

# All that stands between a made run and its report.
REPORT_RULES = (
    *(
        "metrics_table",
        "saliency_table",
        "audit_tables",
        "performance_differences",
        "evaluate_subgroups",
        "evaluation_tables",
        "decision_curves",
        "selection_table",
    ),
    *("rank_pipelines", "write_report", "report"),
)


def made_run(run: Path, config: dict, patients: int = 40) -> None:
    """Write the inputs of the report's rules for a complete config, below `run`."""
    slices = {
        name: made_cohort(run, name, patients=patients if cohort["role"] != "segmentation" else 8, size=SIZE)
        for name, cohort in config["cohorts"].items()
    }
    splits = {}
    for name in cohorts_with_role(config, "public", "target", "external"):
        made_manifest(run, name, slices[name])
        made_split(run, name, "whole", slices[name])  # the common split, whatever the pipelines look at
        for input_view in input_views_of(config):
            splits[name, input_view] = made_split(run, name, input_view, slices[name])
            if config["cohorts"][name]["role"] in COHORT_OF_STAGE.values():
                made_metadata(run / f"explain/metadata/{name}/{input_view}.tsv", splits[name, input_view], config)
    labelled = cohorts_with_role(config, "public", "target", "external")
    aspects = [
        {"cohort": name, "aspect": "kernel", "patients": patients, "balanced_accuracy": 0.5} for name in labelled
    ]
    write_table(run / "report/intake_labels.tsv", aspects, schema="intake_labels")
    made_segmentation(run, slices)
    made_leakage(run, splits, config)
    made_answers(run, cohorts_with_role(config, "public", "target", "external"))
    for each in describe_run(config)["pretrained"]:
        made_pretraining(run, each["path"])
    for number, pipeline in enumerate(pipelines_of(config)):
        for stage in stages_of(config):
            made_model(run, config, pipeline, stage, splits, skill=(0.0, 0.8, 2.0, 4.0)[number % 4] + stage - 1)


def made_segmentation(run: Path, slices: dict[str, pd.DataFrame]) -> None:
    """Agreement of four cases and empty pictures."""
    first = next(iter(slices.values()))
    rows = [
        {
            **{"split": subset, "case": case, "dice": dice, "true_ml": 100.0, "predicted_ml": 99.0},
            **{"surface_distance_95": dice and 3.5, "volume_error": -0.01},
            "reason": "" if dice else "both masks are empty",
        }
        for case, subset, dice in zip(
            first["case"].unique(), ["train", "train", "val", "test"], [0.98, 0.97, None, 0.95], strict=False
        )
    ]
    write_table(run / "segmentation/metrics.tsv", rows, schema="segmentation_metrics")
    for picture in ("curve", "worst"):
        Image.new("RGB", (320, 200), "white").save(run / f"segmentation/{picture}.png")


ENDS = {"": 0.0, "_lo": -0.1, "_hi": 0.1}


def made_leakage(run: Path, splits: dict, config: dict) -> None:
    """The tables of the made splits, by patient and with nothing shared, and of a made leakage inflation."""
    rows = [
        {
            **{"cohort": cohort, "framework": input_view, "unit": config["splits"]["unit"], "slices": len(split)},
            **{"patients": split["patient"].nunique(), "patients_on_two_sides": 0},
            **{"test_slices_of_trained_patients": 0.0, "identical_images_on_two_sides": 0},
            **{"test_images_in_other_cohorts": 0, "test_slices_of_patients_in_other_cohorts": 0},
            "near_duplicates_on_two_sides": 0,
            "patients_known": int(config["cohorts"][cohort]["patients"] == "known"),
        }
        for (cohort, input_view), split in splits.items()
    ]
    write_table(run / "report/leakage.tsv", rows, schema="leakage")
    inflation = [
        {
            **{
                "pipeline": pipeline.name,
                "cohort": leakage_cohort(config),
                **condition._asdict(),
                "slices": 60,
                "patients": 12,
            },
            **{f"{metric}{end}": auc + shift for metric in ("accuracy", "roc_auc") for end, shift in ENDS.items()},
            **{f"inflation{end}": 0.3 + shift if condition.unit == "slice" else None for end, shift in ENDS.items()},
        }
        for pipeline in leakage_pipelines(config)
        for condition, auc in zip(LEAKAGE_CONDITIONS, (0.85, 0.6, 0.8, 0.5), strict=True)
    ]
    write_table(run / "report/leakage_inflation.tsv", inflation, schema="leakage_inflation")


def made_model(run: Path, config: dict, pipeline: Pipeline, stage: int, splits: dict, skill: float) -> None:
    """History, provenance, metrics and explanation of a model whose logits are `skill` apart between the classes."""
    folder = run / f"models/{pipeline.name}/stage{stage}"
    rng = np.random.default_rng([stage, *pipeline.name.encode()])
    epochs = np.arange(1, 7)
    history = {
        **{"epoch": epochs, "loss": 0.7 / epochs**0.5, "accuracy": 1 - 0.5 / epochs},
        **{"val_loss": 0.75 / epochs**0.4, "val_accuracy": 1 - 0.55 / epochs},
        **{"learning_rate": 1e-3, "seconds": 2.5, "kept": [0] * 5 + [1], "stopped": [""] * 5 + ["all epochs done"]},
    }
    write_table(folder / "history.tsv", pd.DataFrame(history), schema="history")
    origin = {"scratch": "scratch", "imagenet": "stand-in", "simsiam": "simsiam"}[pipeline.weights]
    start = origin if stage == 1 else "parent"
    provenance = {
        **{"weights": {"kind": start, "sha256": None if start == "scratch" else "ab" * 32, "origin": origin}},
        **{"images": {"train": 24, "val": 12}, "packages": {"keras": "3.15.1"}, "preprocessing": "x / 127.5 - 1"},
        **{"backbone": recipe_of(pipeline.architecture).backbone, "model": {"parameters": 25_000, "bytes": 110_000}},
        "settings": training_settings(pipeline.architecture, config["training"]),
    }
    write_json(folder / "provenance.json", provenance)
    tables, trained_on = {}, cohorts_with_role(config, COHORT_OF_STAGE[stage])[0]
    roles = ("public", "target", "external") if stage == 1 else ("target", "external")
    for cohort in cohorts_with_role(config, *roles):
        predictions = made_predictions(splits[cohort, pipeline.input_view], skill, rng)
        write_table(folder / f"predictions/{cohort}.tsv", predictions, schema="predictions")
        tables[cohort] = predictions
        if cohort == trained_on:
            made_explanation(run, config, pipeline, stage, cohort, predictions, rng)
            test, of_lung = predictions[predictions["split"] == "test"], rng.uniform(0, 1)
            made_audit(run / f"explain/{pipeline.name}/stage{stage}", test, of_lung, config, rng)
    model = {"pipeline": pipeline.name, **pipeline.columns, "stage": stage}
    metrics = evaluate_model(tables, trained_on, POSITIVE, config["report"]["bootstrap"], config["seed"])
    write_json(folder / "metrics.json", model | metrics)


def made_predictions(split: pd.DataFrame, skill: float, rng: np.random.Generator) -> pd.DataFrame:
    """Logits of a patient share a part, as slices of one patient do."""
    patient = split["patient"].map({name: rng.normal() for name in split["patient"].unique()})
    sign = np.where(split["label"] == POSITIVE, 0.5, -0.5)
    logit = skill * sign + patient + 0.5 * rng.normal(size=len(split))
    return split.assign(probability=1 / (1 + np.exp(-logit)))


def made_explanation(
    run: Path,
    config: dict,
    pipeline: Pipeline,
    stage: int,
    cohort: str,
    predictions: pd.DataFrame,
    rng: np.random.Generator,
) -> None:
    """Maps that mix the lung and noise, one of them empty; then what the rules of explain make of them."""
    folder = run / f"explain/{pipeline.name}/stage{stage}"
    test = predictions[predictions["split"] == "test"].reset_index(drop=True)
    drawn = [made_slice(SIZE, label == POSITIVE, rng) for label in test["label"]]
    images, masks = (np.stack(arrays) for arrays in zip(*drawn, strict=True))
    near = near_lung(masks, np.full((len(test), 2), 4.0), np.full(len(test), ASSUMED), margin=5)
    # Of the first class each slice shows a lesion, of the other none; the last slice came without a mask.
    spot = disc(SIZE, 0.6, 0.68, 0.09, 0.07) & masks & (test["label"] == POSITIVE).to_numpy()[:, None, None]
    lesions = Lesions(spot, np.arange(len(test)) < len(test) - 1)
    slices = SliceImages(test[["slice", "patient", "label", "probability"]], images, masks, near, lesions=lesions)
    identity = slices.table.assign(outcome=outcomes(test["label"], test["probability"].to_numpy(), POSITIVE))
    noise = rng.random((len(test), GRID, GRID)).astype(np.float32)
    lung = average_area(masks, (GRID, GRID))
    explained = {}
    for method, share in ((PRIMARY, rng.uniform(-0.4, 1)), (THESIS, -0.5)):
        maps = np.maximum(noise + share * lung, 0)
        maps[0] = 0
        explained[method] = measure_maps(identity, maps, slices, config["explain"]["iou_level"])
    write_table(folder / "saliency.tsv", explained[PRIMARY].table, schema="saliency")
    write_table(folder / "saliency_methods.tsv", other_methods(explained), schema="saliency_methods")
    table, maps = explained[PRIMARY].table, explained[PRIMARY].maps
    save_maps(folder / "maps.npz", table["slice"], maps)
    means, pictures = (
        mean_maps(table, maps, masks, [POSITIVE, NEGATIVE]),
        pictures_of(table, config["explain"]["overlays"]),
    )
    sure = pictures_by_confidence(table, config["explain"]["overlays"])
    save_mean_maps(folder / "mean_maps.npz", means)
    names = list(dict.fromkeys(picture["slice"] for picture in (*pictures, *sure)))
    drawn = pd.Index(table["slice"]).get_indexer(names)
    sided = np.zeros(len(drawn), bool)
    layers = Layers(np.array(names, dtype=object), images[drawn], masks[drawn], spot[drawn], maps[drawn], sided)
    count = len(pictures)
    overlays = layers.images[:count], layers.lungs[:count], layers.maps[:count], [False] * count
    draw_overlays(folder / "overlays", pictures, *overlays)
    save_layers(folder / "layers.npz", layers)
    (folder / "mean_maps.png").write_bytes(draw_mean_maps(means))
    targets = {PRIMARY: Target("relu4", "logit", True), THESIS: Target("conv4", "probability", False)}
    methods = describe_methods(explained, targets, Classes.of([POSITIVE, NEGATIVE]))
    write_json(folder / "methods.json", methods)
    tables = tables_of_methods(methods, table, other_methods(explained))
    resamples, seed = config["report"]["bootstrap"], config["seed"]
    summary = summarise_model(methods, tables, pictures, describe_mean_maps(means), resamples, seed, sure)
    write_json(folder / "summary.json", {"margin_mm": config["explain"]["margin_mm"]} | summary)


def made_workspace(folder: Path, roles: dict[str, str], **settings: object) -> Workspace:
    """A workspace whose cohorts, name → role, have a table of one row each, enough for the workflow to be parsed."""
    cohorts = {}
    for name, role in roles.items():
        scans = folder / "data" / name
        (scans / "one").mkdir(parents=True)
        labelled = role != "segmentation"
        header, row = ("patient\tpath\tlabel", f"A\tone\t{POSITIVE}") if labelled else ("patient\tpath", "A\tone")
        if not labelled:
            (scans / "contours.dcm").touch()
            header, row = f"{header}\tmask", f"{row}\tcontours.dcm"
        (folder / f"{name}.tsv").write_text(f"{header}\n{row}\n", encoding="utf-8")
        cohorts[name] = {"role": role, "format": "dicom", "root": f"data/{name}", "table": f"{name}.tsv"}
    return Workspace(folder, {"cohorts": cohorts} | settings)


FINISHED_PIPELINES = ["whole-resnet50-scratch", "segmented-resnet50-scratch"]


def made_finished_run(folder: Path) -> Workspace:
    """A made run of FINISHED_PIPELINES in both stages, with contours: all but the tables and pages of the report.

    It takes seconds, and is the same each time: it is made once in a process and copied, with its times.
    """
    made = _finished_run()
    shutil.copytree(made.folder, folder, dirs_exist_ok=True)
    return replace(made, folder=folder, config=deepcopy(made.config), environment={})


@cache
def _finished_run() -> Workspace:
    folder = Path(tempfile.mkdtemp(prefix="lungsight-finished-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    workspace = made_workspace(
        folder,
        {"lungs": "segmentation", "open": "public", "clinic": "target"},
        **{"pipelines": {"backbones": ["resnet50"], "weights": ["scratch"]}, "explain": {"overlays": 1}},
        report={"bootstrap": 100, "title": "A made run"},
    )
    made_run(workspace.run_folder, complete_config({"results": workspace.results} | workspace.config), patients=24)
    return workspace
