"""Stand-ins for lungmask and TotalSegmentator: programs that check how they are called and segment by HU.

Their options are those of lungmask 0.2.22 and TotalSegmentator 2.18.0. docs/benchmarks.md says how the real programs
were called.
"""

import sys
from pathlib import Path

_COMMON = """#!{python}
import argparse, json, os, pathlib, sys
import nibabel
import numpy as np
from scipy import ndimage

BEHAVIOUR = os.environ.get("STAND_IN", "")


def segment(path, calls):
    image = nibabel.load(path)
    volume = np.asanyarray(image.dataobj).astype(np.float32)
    assert volume.min() < -300, "these are no HU"
    with open({calls!r}, "a") as file:
        file.write(json.dumps([calls, os.environ.get("OMP_NUM_THREADS")]) + "\\n")
    if BEHAVIOUR == "no network":
        sys.exit("urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>")
    if BEHAVIOUR == "crash":
        sys.exit("Traceback of John Doe")
    pieces, _ = ndimage.label(volume < -500)
    sizes = np.bincount(pieces.ravel())
    sizes[np.unique(np.concatenate([[0], pieces[0].ravel(), pieces[-1].ravel(), pieces[:, 0].ravel()]))] = 0
    mask = np.isin(pieces, np.flatnonzero(sizes > 0.1 * sizes.max())).astype(np.uint8)
    affine = image.affine.copy()
    affine[0, 3] += 7 if BEHAVIOUR == "elsewhere" else 0
    return mask, affine


def save(mask, affine, path):
    if BEHAVIOUR != "nothing":
        nibabel.save(nibabel.Nifti1Image(mask, affine), path)


parser = argparse.ArgumentParser()
parser.add_argument("--version", action="version", version="9.8.7")
"""
_LUNGMASK = """
parser.add_argument("input")
parser.add_argument("output")
parser.add_argument("--modelname", choices=["R231", "LTRCLobes", "LTRCLobes_R231", "R231CovidWeb"], default="R231")
for option in ("--cpu", "--nopostprocess", "--noprogress", "--removemetadata"):
    parser.add_argument(option, action="store_true")
parser.add_argument("--batchsize", type=int)
args = parser.parse_args()
mask, affine = segment(args.input, sys.argv[1:])
mask[: len(mask) // 2] *= 2  # one lung is 1, the other 2
save(mask, affine, args.output)
"""
_TOTALSEGMENTATOR = """
parser.add_argument("-i", dest="input")
parser.add_argument("-o", dest="output")
parser.add_argument("-ta", "--task", choices=["total", "lung_vessels"])
parser.add_argument("-rs", "--roi_subset", nargs="+")
parser.add_argument("-f", "--fast", action="store_true")
args = parser.parse_args()
settings = json.loads(pathlib.Path(os.environ["TOTALSEG_HOME_DIR"], "config.json").read_text())
assert settings["send_usage_stats"] is False
mask, affine = segment(args.input, sys.argv[1:])
folder = pathlib.Path(args.output)
folder.mkdir(exist_ok=True)
for number, name in enumerate(args.roi_subset):  # each lobe has its share of the slices
    part = np.zeros_like(mask)
    part[:, :, number :: len(args.roi_subset)] = mask[:, :, number :: len(args.roi_subset)]
    save(part, affine, folder / f"{name}.nii.gz")
"""


def install_stand_ins(folder: Path) -> Path:
    """Write both programs into a folder. calls.jsonl beside them gets a line a call: arguments, and OMP_NUM_THREADS."""
    folder.mkdir(exist_ok=True)
    for name, body in (("lungmask", _LUNGMASK), ("TotalSegmentator", _TOTALSEGMENTATOR)):
        text = _COMMON.replace("{python}", sys.executable).replace("{calls!r}", repr(str(folder / "calls.jsonl")))
        (folder / name).write_text(text + body, encoding="utf-8")
        (folder / name).chmod(0o755)
    return folder
