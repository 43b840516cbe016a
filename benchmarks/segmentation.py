"""Time our prediction of lung masks against nnU-Net's own program and the bare network, on the same model.

python benchmarks/segmentation.py --model results/demo/segmentation/model [--threads 2] [--cases 200] [--repeats 3]

Both programs start anew, in turn. They read the same single-slice phantoms from NIfTI and write masks, without
mirroring. Ours runs in its rule's environment, on --threads cores. nnU-Net runs with its defaults: on every core, with
three processes that preprocess and three that export. The bare network gets the same slices one by one, as nnU-Net's
sliding window passes them, in turn with ours.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT)]

import torch  # noqa: E402

from lungsight.demo.anatomy import thorax  # noqa: E402
from lungsight.segmentation.agreement import dice  # noqa: E402
from lungsight.segmentation.predict import load_predictor, predict_masks  # noqa: E402
from lungsight.segmentation.volumes import Image, read_image  # noqa: E402
from lungsight.tables import columns_of, table_schema, write_table  # noqa: E402

SLICES_PER_PHANTOM = 20
CASES = "converted_cases"
# Set by the workflow and by the rule segment_shard.
RULE_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"} | dict.fromkeys(
    ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), "268435456"
)
PEER = Path(sys.executable).with_name("nnUNetv2_predict_from_modelfolder")


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def write_slices(folder: Path, count: int, matrix: int) -> list[str]:
    """Write single-slice cases from phantoms as intake does, with nnU-Net's file names; return their names."""
    folder.mkdir()
    names = []
    for number in range(count):
        seed, k = divmod(number, SLICES_PER_PHANTOM)
        if k == 0:
            made = thorax(seed=seed + 1, matrix=matrix, slices=SLICES_PER_PHANTOM, lungs_only=True, disease="covid")
            volume = np.clip((made.hu + 1250) / 1500, 0, 1).astype(np.float32)
        names.append(f"{number:016x}")
        nibabel.save(nibabel.Nifti1Image(volume[:, :, k : k + 1], made.affine), folder / f"{names[-1]}_0000.nii.gz")
    return names


def write_cases(path: Path, names: list[str], matrix: int) -> None:
    """Write the table of a shard's cases; columns that segment_shard does not read stay empty."""
    kinds = {name: part.get("type", "string") for name, part in table_schema(CASES)["properties"].items()}
    blank = {name: "" if kinds[name] == "string" else np.nan for name in columns_of(CASES)}
    rows = [
        blank
        | {"row": number + 1, "case": name, "patient": name, "kind": "image", "n_slices": 1, "status": "ok"}
        | {"shard": "000", "rows": matrix, "columns": matrix, "spacing_row": 2.0, "spacing_column": 2.0}
        for number, name in enumerate(names)
    ]
    write_table(path, pd.DataFrame(rows), schema=CASES)


def against_the_program(model: Path, folder: Path, names: list[str], matrix: int, repeats: int, threads: int) -> None:
    """Time both programs in turn, and compare their masks."""
    linked = folder / "nifti"
    linked.mkdir()
    for name in names:
        (linked / f"{name}.nii.gz").symlink_to(folder / "images" / f"{name}_0000.nii.gz")
    write_cases(folder / "cases.tsv", names, matrix)
    settings = json.dumps({"method": "nnunet", "mirroring": False, "postprocessing": {}})
    ours = [
        *(sys.executable, ROOT / "workflow/scripts/segment_shard.py", "--cases", folder / "cases.tsv"),
        *("--nifti", linked, "--model", model, "--settings", settings),
        *("--threads", threads, "--masks", folder / "ours"),
    ]
    theirs = [
        *(PEER, "-i", folder / "images", "-o", folder / "theirs", "-m", model, "-f", "0", "--disable_tta"),
        *("-device", "cpu", "--disable_progress_bar"),
    ]
    as_the_rule = os.environ | RULE_ENVIRONMENT

    def program(command: list, environment: dict[str, str] | None = None) -> None:
        subprocess.run([*map(str, command)], check=True, capture_output=True, env=environment)

    ratios = []
    for _ in range(repeats):
        own, other = seconds(lambda: program(ours, as_the_rule)), seconds(lambda: program(theirs))
        ratios.append(other / own)
        print(f"{len(names)} single slices of {matrix}²: ours {own:.1f} s, {PEER.name} {other:.1f} s")
    masks = [
        [np.asanyarray(nibabel.load(folder / written / f"{name}.nii.gz").dataobj) > 0 for name in names]
        for written in ("ours", "theirs")
    ]
    print(
        f"ratio of the programs: median {np.median(ratios):.2f}, all {np.round(ratios, 2).tolist()}; Dice of all masks"
        f" together {dice(np.stack(masks[0]), np.stack(masks[1])):.6f}"
    )


def against_the_network(model: Path, images: list[Image], repeats: int, threads: int) -> None:
    """Time ours and the bare forward passes in turn, in one process, both warm."""
    predictor = load_predictor(model, mirroring=False, threads=threads)
    network = predictor.networks[0]
    inputs = [torch.from_numpy(image.volume[:, :, 0].T.copy())[None, None] for image in images]

    def bare() -> None:
        with torch.inference_mode():
            for one in inputs:
                network(one)

    def ours() -> None:
        for _ in predict_masks(predictor, images):
            pass

    ours()
    ratios = []
    for _ in range(repeats):
        alone, whole = seconds(bare), seconds(ours)
        ratios.append(whole / alone)
        print(f"{1000 * alone / len(images):.1f} ms a slice bare, {1000 * whole / len(images):.1f} ms ours")
    print(f"ratio to the bare network: median {np.median(ratios):.2f}, all {np.round(ratios, 2).tolist()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="nnU-Net model folder")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--matrix", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        names = write_slices(folder / "images", args.cases, args.matrix)
        images = [read_image(folder / "images" / f"{name}_0000.nii.gz", name) for name in names]
        against_the_network(args.model.resolve(), images[:40], args.repeats, args.threads)
        against_the_program(args.model.resolve(), folder, names, args.matrix, args.repeats, args.threads)


if __name__ == "__main__":
    main()
