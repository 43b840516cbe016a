"""Plant a trace of the making in pictures of phantoms, and count how often report/forensics.tsv finds and names it.

python benchmarks/forensics_planted.py [--seeds 20] [--patients 60] [--alarms 100]

Every patient is a phantom of one slice; nothing but the planted trace goes with the label. With strength s, a share of
s carries the trace if and only if they are positive; of the others a coin decides. found: a trace of that kind
differs from chance after Holm's correction. named: one of that kind is among the three traces with the highest AUC of
those that hold no anatomy: the pages state these. first: it is the first of them. Strength 0 is the same for all kinds:
every trace that differs from chance there is a false alarm.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.audit.forensics import ALL, MAKING, answers
from lungsight.demo.anatomy import thorax
from lungsight.intake.forensics.pixels import Pixels
from lungsight.intake.forensics.stored import Stored
from lungsight.intake.forensics.traces import BY_NAME, NUMBER, TRACES, values_of_file, values_of_pixels
from lungsight.intake.geometry import slice_to_image
from lungsight.wording import tally

MATRIX, NOISE = 256, 15.0  # pixels; HU
STRENGTHS = (1.0, 0.9, 0.6)


def as_grey(hounsfield: np.ndarray, low: float = -1250, high: float = 250) -> np.ndarray:
    return np.clip(np.rint((hounsfield - low) / (high - low) * 255), 0, 255).astype(np.uint8)


def compressed(hounsfield: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Save as JPEG of quality 80, then as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(as_grey(hounsfield)).save(buffer, "JPEG", quality=80)
    return np.asarray(Image.open(buffer))


def resampled(hounsfield: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Enlarge by a tenth, and cut to the old size."""
    side = round(1.1 * MATRIX)
    first = (side - MATRIX) // 2
    large = np.asarray(Image.fromarray(as_grey(hounsfield)).resize((side, side), Image.Resampling.BILINEAR))
    return large[first : first + MATRIX, first : first + MATRIX]


def windowed(hounsfield: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Use a window that is narrower by a tenth at its upper end."""
    return as_grey(hounsfield, high=100)


def noisy(hounsfield: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add as much noise again."""
    return as_grey(hounsfield + rng.normal(0, NOISE, hounsfield.shape))


def lettered(hounsfield: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Write a letter beside the body."""
    image = Image.fromarray(as_grey(hounsfield))
    ImageDraw.Draw(image).text((5, 5), "R", fill=255)
    return np.asarray(image)


Plant = Callable[[np.ndarray, np.random.Generator], np.ndarray]
PLANTS: dict[str, tuple[Plant, set[str]]] = {
    "compression": (compressed, {"blockiness", "block_row", "block_column"}),
    "resampling": (resampled, {"resampling", "resampling_frequency"}),
    "window": (windowed, {"clipped_low", "clipped_high", "grey_levels", "histogram_gaps"}),
    "noise": (noisy, {"noise_air", "noise_muscle"}),
    "letters": (lettered, {"marks"}),
}


def phantoms(count: int) -> list[np.ndarray]:
    """Make one slice of each patient, in HU, without noise of its own."""
    return [slice_to_image(thorax(seed, matrix=MATRIX, slices=3).hu[:, :, 1]) for seed in range(count)]


def study(bodies: list[np.ndarray], plant: Plant, strength: float, seed: int, permutations: int) -> pd.DataFrame:
    """Draw labels, make the pictures and ask what tells the label."""
    rng = np.random.default_rng([seed, round(100 * strength)])
    positive = rng.permutation(np.arange(len(bodies)) % 2 == 0)
    carries = np.where(rng.random(len(bodies)) < strength, positive, rng.random(len(bodies)) < 0.5)
    rows = []
    for number, (body, carried) in enumerate(zip(bodies, carries, strict=True)):
        hounsfield = body + rng.normal(0, NOISE, body.shape)
        image = plant(hounsfield, rng) if carried else as_grey(hounsfield)
        traces = values_of_file(Stored("png", "grey", 8)) | values_of_pixels(Pixels(image))
        rows.append({"patient": str(number), "label": str(positive[number]), **traces})
    table = pd.DataFrame(rows)
    numbers = [trace.name for trace in TRACES if trace.kind == NUMBER]
    table[numbers] = table[numbers].astype(float)
    return pd.DataFrame(answers(table, "label", seed, permutations))


def row_of(kind: str, strength: float, studies: list[pd.DataFrame], traces: set[str]) -> str:
    """Count in how many studies the traces of a kind were found, named and first."""
    found, named, firsts, areas = 0, 0, [], []
    for study_ in studies:
        rows = study_.set_index("trace").drop([MAKING, ALL])
        ranked = rows.drop([name for name in rows.index if BY_NAME[name].anatomy]).sort_values(
            "auc", ascending=False, kind="stable"
        )
        found += bool((rows.loc[list(traces), "p_holm"] < 0.05).any())
        named += not traces.isdisjoint(ranked.index[:3])
        firsts.append(ranked.index[0])
        areas.append(rows.loc[list(traces), "auc"].max())
    total, first = len(studies), sum(name in traces for name in firsts)
    counts = "".join(f" {count:3}/{total}" for count in (found, named, first))
    return f"{kind:12} {strength:8}{counts}  {np.median(areas):.2f}  {tally(firsts)}"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seeds", type=int, default=20)
    arguments.add_argument("--patients", type=int, default=60)
    arguments.add_argument("--alarms", type=int, default=100, help="studies of strength 0")
    arguments.add_argument("--permutations", type=int, default=999)
    args = arguments.parse_args()
    started = time.process_time()
    bodies = phantoms(args.patients)
    print(f"{'kind':12} {'strength':>8} {'found':>6} {'named':>6} {'first':>6}  median AUC; what came first")
    for kind, (plant, traces) in PLANTS.items():
        for strength in STRENGTHS:
            print(
                row_of(
                    kind,
                    strength,
                    [study(bodies, plant, strength, seed, args.permutations) for seed in range(args.seeds)],
                    traces,
                ),
                flush=True,
            )
    alarms = []
    for seed in range(args.alarms):
        rows = study(bodies, lettered, 0.0, seed, args.permutations)
        alarms.append(", ".join(rows.loc[rows["p_holm"] < 0.05, "trace"]))
    wrong = [alarm for alarm in alarms if alarm]
    print(f"strength 0: {len(wrong)}/{args.alarms} with a false alarm {wrong}")
    print(f"{time.process_time() - started:.0f} s of CPU")


if __name__ == "__main__":
    main()
