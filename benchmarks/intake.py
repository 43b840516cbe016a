"""Time DICOM → NIfTI and PNG by the workflow against other converters, which mostly make the NIfTI alone.

python benchmarks/intake.py --series 20 --slices 100 --peers DIR

--peers: the bin folder of an environment with the packages dcm2niix, dicom2nifti, SimpleITK and pillow. Wall time is
printed beside CPU time (user and system of all processes), which other work on the machine disturbs less. Each round
times all programs in turn on the same files, which were already read once. A ratio is the median over the rounds.
"""

import argparse
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.demo.anatomy import Phantom, thorax
from lungsight.demo.dicom_writer import write_ct_series

ROOT = Path(__file__).resolve().parents[1]
PLANES = 20
KINDS = {"uncompressed": False, "JPEG Lossless": True}
DICOM2NIFTI = """
import sys, pathlib, dicom2nifti, nibabel, numpy
from PIL import Image
out = pathlib.Path(sys.argv[2])
dicom2nifti.dicom_series_to_nifti(sys.argv[1], str(out / "volume.nii.gz"), reorient_nifti=False)
values = nibabel.load(out / "volume.nii.gz").get_fdata(dtype="float32")
for k in range(values.shape[2]):
    grey = numpy.clip((values[:, :, k] + 1250) / 1500 * 255, 0, 255).astype("uint8")
    Image.fromarray(grey.T).save(out / f"{k}.png")
"""
ITK = """
import sys, SimpleITK
names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(sys.argv[1])
SimpleITK.WriteImage(SimpleITK.ReadImage(names), sys.argv[2] + "/volume.nii.gz")
"""


def make_series(folder: Path, series: int, slices: int, jpeg: bool, matrix: int = 512) -> list[Path]:
    """Write phantom series; every slice has its own noise."""
    phantom = thorax(1, matrix=matrix, slices=PLANES)
    rng = np.random.default_rng(5)
    folders = []
    for number in range(series):
        planes = phantom.hu[:, :, np.arange(slices) % PLANES]
        noisy: Phantom = dataclasses.replace(phantom, hu=planes + rng.normal(0, 4, planes.shape).astype(np.float32))
        folders.append(folder / f"series{number:04d}")
        write_ct_series(folders[-1], noisy, f"benchmark {number}", f"P{number}")
        if jpeg:
            for path in folders[-1].iterdir():
                compress(path)
    return folders


def compress(path: Path) -> None:
    """Replace the pixels of a DICOM file by JPEG Lossless."""
    dataset = pydicom.dcmread(path)
    stored = dataset.pixel_array.view(np.uint16) & ((1 << dataset.BitsStored) - 1)
    dataset.PixelData = encapsulate([imagecodecs.ljpeg_encode(stored, bitspersample=dataset.BitsStored)])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.save_as(path)


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Measure wall and CPU seconds of a function that starts processes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    function()
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_parallel(commands: list[list[str]], cores: int) -> None:
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(lambda command: subprocess.run(command, check=True, capture_output=True), commands))


def by_workflow(folders: list[Path], place: Path, cores: int) -> None:
    """Run the whole workflow up to the cohort's tables, its start included."""
    table = "".join(f"P{n}\t{folder.name}\tCovid-19\n" for n, folder in enumerate(folders))
    (place / "table.tsv").write_text("patient\tpath\tlabel\n" + table)
    shape = {"role": "target", "format": "dicom", "root": str(folders[0].parent), "table": "table.tsv"}
    (place / "config.yaml").write_text(json.dumps({"results": "results/run", "cohorts": {"hospital": shape}}))
    command = [str(Path(sys.executable).with_name("snakemake")), "--snakefile", str(ROOT / "Snakefile")]
    command += ["--workflow-profile", "none", "--directory", str(place), "--configfile", str(place / "config.yaml")]
    command += ["--cores", str(cores), "--quiet", "all", "--", "results/run/cohorts/hospital/cases.tsv"]
    subprocess.run(command, check=True, cwd=place, capture_output=True)


def by_peer(name: str, folders: list[Path], place: Path, cores: int, peers: Path) -> None:
    """Convert with another program, as many series at once as there are cores."""
    commands = []
    for folder in folders:
        out = place / folder.name
        out.mkdir()
        if name.startswith("dcm2niix"):
            commands.append([str(peers / "dcm2niix"), "-z", "y", "-b", "n", "-o", str(out), str(folder)])
        else:
            program = DICOM2NIFTI if name.startswith("dicom2nifti") else ITK
            commands.append([str(peers / "python"), "-c", program, str(folder), str(out)])
    in_parallel(commands, cores)


def compare(args: argparse.Namespace, kind: str) -> list[dict]:
    """Make a row for every program: wall and CPU milliseconds a slice, and the ratios of ours to it."""
    with tempfile.TemporaryDirectory() as name:
        folders = make_series(Path(name) / "data", args.series, args.slices, KINDS[kind])
        few = folders[: max(1, args.series // 10)]
        runs = {
            "lungsight": (folders, lambda place: by_workflow(folders, place, args.cores)),
            "dcm2niix -z y": (folders, lambda place: by_peer("dcm2niix", folders, place, args.cores, args.peers)),
            "SimpleITK": (few, lambda place: by_peer("SimpleITK", few, place, args.cores, args.peers)),
            "dicom2nifti + Pillow": (few, lambda place: by_peer("dicom2nifti", few, place, args.cores, args.peers)),
        }
        found: dict[str, list[tuple[float, float]]] = {program: [] for program in runs}
        for _ in range(args.rounds):
            for program, (read, run) in runs.items():
                with tempfile.TemporaryDirectory(dir=name) as place:
                    slices = len(read) * args.slices
                    wall, cpu = timed(lambda run=run, place=place: run(Path(place)))
                    found[program].append((1000 * wall / slices, 1000 * cpu / slices))
    rows = []
    for program, times in found.items():
        ours = found["lungsight"]
        ratio = [[a[which] / b[which] for a, b in zip(ours, times, strict=True)] for which in (0, 1)]
        medians = [statistics.median(time[which] for time in times) for which in (0, 1)]
        row = {"series": kind, "program": program, "wall ms/slice": medians[0]}
        row |= {"CPU ms/slice": medians[1], "ours/it, wall": statistics.median(ratio[0])}
        rows.append(row | {"ours/it, CPU": statistics.median(ratio[1])})
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--series", type=int, default=20)
    arguments.add_argument("--slices", type=int, default=100, help="of each series")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--cores", type=int, default=2)
    arguments.add_argument("--peers", type=Path, required=True)
    arguments.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    args = arguments.parse_args()
    for kind in args.kinds:
        table = pd.DataFrame(compare(args, kind))
        print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"), flush=True)


if __name__ == "__main__":
    main()
