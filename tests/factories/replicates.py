"""What the replicates of a made run left: their metrics, and the maps of each model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lungsight.audit.replicate_maps import ReplicateMaps, save_replicate_maps
from lungsight.audit.replicate_table import replicate_maps_file
from lungsight.files import read_json, write_json
from lungsight.run_description import RunDescription, models_of
from lungsight.training.replicates import names_of_replicates
from tests.factories.tables import disc

SIZE, GRID, SLICES = 48, 6, 8


def made_maps(noise: float, seed: int = 0, n: int = SLICES, base: int = 7, replicates: int = 3) -> ReplicateMaps:
    """Replicates that share a pattern but for noise of this strength, and five networks that share nothing."""
    pattern = np.random.default_rng(base).random((n, GRID, GRID))
    rng = np.random.default_rng(seed)
    trained = np.stack([pattern + noise * rng.random(pattern.shape) for _ in range(replicates)]).astype(np.float32)
    random = rng.random((5, n, GRID, GRID)).astype(np.float32)
    names = [np.array([f"{start}{number:02d}" for number in range(n)]) for start in ("s", "p")]
    return ReplicateMaps(*names, np.stack([disc(SIZE, 0.5, 0.5, 0.3, 0.3)] * n), trained, random)


def made_replicates(
    folder: Path, run: RunDescription, shifts: Mapping[str, list[float]] | None = None, noise: float = 0.3
) -> None:
    """Write what report/replicates.tsv of a made run is made from.

    shifts: by pipeline, what is added to the AUC of the run's own model in each further replicate. By default the last
    pipeline is much worse in the second replicate, and nothing else changes.
    """
    if shifts is None:
        names, others = [name for name, _ in models_of(run)], run["replicates"] - 1
        shifts = {name: [-0.5 if name == names[-1] else 0.0] + [0.0] * (others - 1) for name in names}
    for name, stage in models_of(run):
        own = read_json(folder / f"models/{name}/stage{stage}/metrics.json")
        for replicate, shift in zip(names_of_replicates(name, run["replicates"])[1:], shifts[name], strict=True):
            rows = [row | {"roc_auc": min(1.0, max(0.0, row["roc_auc"] + shift))} for row in own["rows"]]
            write_json(folder / f"models/{replicate}/stage{stage}/metrics.json", own | {"rows": rows})
        save_replicate_maps(replicate_maps_file(folder, name, stage), made_maps(noise, replicates=run["replicates"]))
