"""Measure CPU seconds and bytes per slice, the rates of the estimate before a run (lungsight/estimate.py).

python benchmarks/rates.py training        one training step per image, each backbone, 256 x 256
python benchmarks/rates.py explanation     maps, their metrics, predictions of the audit, in forward passes
python benchmarks/rates.py segmentation    one slice through nnU-Net's 2D network for 512 x 512, training and prediction
python benchmarks/rates.py conversion DIR  a DICOM series: CPU time and bytes on disk per slice
python benchmarks/rates.py thesis          the estimate of a whole run at the thesis's size, by rule

CPU time of the whole process is counted, not wall time, so that a shared machine gives the same figures. Each part runs
in its own process, so that TensorFlow and PyTorch are never loaded together.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.config import config_schema, with_defaults

BACKBONES = ("resnet50", "densenet201")
SMALL = "small_cnn"  # the network of the leakage experiment, unless the config names another
BATCH = 8
SLICES = 2


def processor_seconds(work: Callable[[], object], repeats: int = 2) -> float:
    """Return the least CPU time of a few repeats, after one that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def training() -> None:
    """Time, per image, a forward pass and a training step (forward, backward, Adam)."""
    from lungsight.training.device import prepare_device

    prepare_device(threads=1, seed=1)
    import keras
    import tensorflow as tf

    from lungsight.training.backbones import load
    from lungsight.training.network import build_classifier

    settings = with_defaults({}, config_schema()["properties"]["training"]) | {
        "image_size": 256,
        "head_units": 1024,
        "head_activation": "sigmoid",
    }
    size = settings["image_size"]
    images = tf.random.uniform((BATCH, size, size, 3), maxval=255.0)
    labels = tf.cast(tf.reshape(tf.range(BATCH) % 2, (BATCH, 1)), tf.float32)
    for name in (*BACKBONES, SMALL):
        model = build_classifier(load(name), settings)
        optimizer = keras.optimizers.Adam(1e-6)
        optimizer.build(model.trainable_variables)

        @tf.function
        def step(model=model, optimizer=optimizer):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(keras.losses.binary_crossentropy(labels, model(images, training=True)))
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

        @tf.function
        def forward(model=model):
            return model(images, training=False)

        with_step, alone = processor_seconds(step) / BATCH, processor_seconds(forward) / BATCH
        print(f"{name}: {with_step:.3f} s per image with its training step, {alone:.3f} s forward", flush=True)


def explanation() -> None:
    """Time what explain_stage and audit_stage do to a slice at 256 x 256: networks in forward passes, the rest in s."""
    from lungsight.training.device import prepare_device

    prepare_device(threads=1, seed=1)
    import pandas as pd

    from lungsight.audit.interventions import INTERVENTIONS, Extents, InterventionBatch, intervene
    from lungsight.audit.model_outputs import ModelOutputs
    from lungsight.explain.explanation import SliceImages, measure_maps
    from lungsight.explain.gradcam import GradCam, methods_for
    from lungsight.explain.margin import ASSUMED, near_lung
    from lungsight.explain.methods import LAYER_CAM, gradient_methods
    from lungsight.training.backbones import load
    from lungsight.training.network import build_classifier, make_inference, to_input

    settings = with_defaults({}, config_schema()["properties"]["training"])
    size, rng = settings["image_size"], np.random.default_rng(1)
    images = rng.integers(0, 256, (BATCH, size, size), dtype=np.uint8)
    lungs = np.zeros(images.shape, bool)
    lungs[:, size // 4 : -size // 4, size // 8 : -size // 8] = True

    def of_network(name: str) -> None:
        backbone, positive = load(name), np.ones(BATCH, bool)
        model = build_classifier(backbone, settings)
        forward, outputs = make_inference(model, backbone), ModelOutputs(model, backbone)
        bare = processor_seconds(lambda: forward(images))
        maps = GradCam(model, methods_for(model, backbone.explained_layer))
        layers = GradCam(model, gradient_methods(backbone, [LAYER_CAM]))
        for what, work in (
            ("Grad-CAM, ours and the thesis's", lambda: maps(to_input(backbone, images), positive)),
            ("LayerCAM at its strides", lambda: layers(to_input(backbone, images), positive)),
            ("a prediction of the audit", lambda: outputs(images)),
        ):
            print(f"{name}: {what} {processor_seconds(work) / bare:.2f} forward passes", flush=True)

    for name in BACKBONES:
        of_network(name)
    table = pd.DataFrame({"slice": "", "patient": "", "label": "", "outcome": ""}, index=range(BATCH))
    near = near_lung(lungs, np.full((BATCH, 2), 1.4), np.full(BATCH, ASSUMED), margin=5)
    shown, maps = SliceImages(table, images, lungs, near), rng.random((BATCH, 8, 8), np.float32)
    print(f"metrics of a map: {processor_seconds(lambda: measure_maps(table, maps, shown, 0.5)) / BATCH:.4f} s")
    extents = Extents(margin=0.02, border=0.1, crop=0.6, low_pass=0.03, blur=0.1)
    batch = InterventionBatch(images, lungs, np.roll(np.arange(BATCH), 1), extents)
    changed = processor_seconds(lambda: [intervene(batch, name) for name in INTERVENTIONS])
    print(f"a changed slice: {changed / BATCH / len(INTERVENTIONS):.4f} s", flush=True)


def segmentation() -> None:
    """Time the network that nnU-Net plans for 512 x 512 slices: eight stages of at most 512 features."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    torch.set_num_threads(1)
    stages = 8
    network = PlainConvUNet(
        **{"input_channels": 1, "num_classes": 2, "n_stages": stages, "conv_op": torch.nn.Conv2d, "kernel_sizes": 3},
        **{"features_per_stage": [min(32 * 2**stage, 512) for stage in range(stages)], "n_conv_per_stage": 2},
        **{"strides": [1] + [2] * (stages - 1), "n_conv_per_stage_decoder": 2, "conv_bias": True},
        **{"norm_op": torch.nn.InstanceNorm2d, "norm_op_kwargs": {"eps": 1e-5, "affine": True}},
        **{"nonlin": torch.nn.LeakyReLU, "nonlin_kwargs": {"inplace": True}, "deep_supervision": False},
    )
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    images = torch.rand(SLICES, 1, 512, 512)
    labels = (torch.rand(SLICES, 512, 512) > 0.5).long()

    def step() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    def forward() -> None:
        with torch.no_grad():
            network(images[:1])

    print(f"nnU-Net 2D, 512 x 512: {processor_seconds(step, 1) / SLICES:.2f} s per slice with its training step")
    print(f"nnU-Net 2D, 512 x 512: {processor_seconds(forward):.2f} s per slice forward", flush=True)


def conversion(series: Path) -> None:
    """Time the intake of one DICOM series, as rule convert does it."""
    from lungsight.intake.cases import Folders, Intake, convert_shard
    from lungsight.intake.cohort_table import TableRow
    from lungsight.intake.quiet import quiet

    quiet()
    intake_settings = with_defaults({}, config_schema()["properties"]["intake"])
    intake = Intake("hospital", "dicom", series.parent, 1, intake_settings, b"benchmark")
    row = TableRow(1, "A", series.name, "Covid-19", "", "", "")
    slices: list[dict] = []
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders(nifti=Path(folder) / "nifti", png=Path(folder) / "png")

        def work() -> None:
            slices[:] = convert_shard([row], intake, folders)[1]

        seconds = processor_seconds(work) / len(slices)
        sizes = {
            kind: sum(path.stat().st_size for path in (Path(folder) / kind).rglob("*.*")) / len(slices)
            for kind in ("nifti", "png")
        }
    print(f"conversion, {len(slices)} slices: {seconds:.3f} s, {np.round(sizes['nifti'] / 1000):.0f} kB of NIfTI")
    print(f"conversion: {np.round(sizes['png'] / 1000):.0f} kB of PNG per slice")


def thesis() -> None:
    """Print the estimate of a whole run on data of the thesis's size, with nothing done yet."""
    from scale import Scale

    from lungsight.config_check import complete_config
    from lungsight.estimate import Job, RunPlan, estimate
    from lungsight.evaluation.leakage_inflation.settings import leakage_pipelines
    from lungsight.intake.cohort_table import read_cohort_tables
    from lungsight.intake.shards import default_shards
    from lungsight.training.pipelines import pipelines_of

    with tempfile.TemporaryDirectory(prefix="lungsight-rates-") as folder, contextlib.chdir(folder):
        config = complete_config(Scale(Path(folder)).config)
        rows = read_cohort_tables(config["cohorts"], config["labels"])
        shards = {name: default_shards(len(rows[name]), cohort["format"]) for name, cohort in config["cohorts"].items()}
        plan = RunPlan(config, rows, shards)
        slices = plan.slices
    wildcards = [{"cohort": cohort, "shard": shard} for cohort in slices for shard in slices[cohort]]
    labelled = [{"cohort": cohort} for cohort in ("curated", "hospital")]
    models = [{"pipeline": each.name, "stage": stage} for each in pipelines_of(config) for stage in "12"]
    in_leakage = [{"pipeline": each.name} for each in leakage_pipelines(config)]
    jobs = [
        *(Job("convert" if each["cohort"] != "nsclc" else "convert_annotated", each) for each in wildcards),
        *(Job(rule, {}) for rule in ("nnunet_prepare", "nnunet_train")),
        *(Job("segment_shard", each) for each in wildcards),
        *(Job("qc_page", each) for each in labelled),
        *(Job("image_cache", each) for each in wildcards if each["cohort"] != "nsclc"),
        *(Job("train_stage", each) for each in models),
        *(Job("infer_cohort", model | cohort) for model in models for cohort in labelled if model["stage"] == "1"),
        *(Job("infer_cohort", model | {"cohort": "hospital"}) for model in models if model["stage"] == "2"),
        *(Job("leakage_training", each) for each in in_leakage),
        *(Job(rule, each) for rule in ("explain_stage", "audit_stage") for each in models),
    ]
    print("| rule | jobs | GB | core-hours |\n|---|---|---|---|")
    for rule in [*dict.fromkeys(job.rule for job in jobs), ""]:
        chosen = [job for job in jobs if rule in ("", job.rule)]
        cost = estimate(plan, chosen)
        name = f"`{rule}`" if rule else "together"
        print(f"| {name} | {len(chosen)} | {cost.disk / 1e9:.1f} | {cost.seconds / 3600:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["training", "explanation", "segmentation", "conversion", "thesis"])
    parser.add_argument("series", nargs="?", type=Path, help="folder of a DICOM series, for conversion")
    args = parser.parse_args()
    parts = {"training": training, "explanation": explanation, "segmentation": segmentation, "thesis": thesis}
    if args.part == "conversion":
        conversion(args.series.absolute())
    else:
        parts[args.part]()


if __name__ == "__main__":
    main()
