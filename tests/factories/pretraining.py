"""The tables of a pre-training without labels, with numbers that are easy to say again."""

from pathlib import Path

from lungsight.tables import write_table

EPOCHS, EVEN = 5, 0.25  # 1/√16
# Cohort → balanced accuracy from random weights and after the pre-training.
PROBED = {"open": (0.5, 0.75), "clinic": (0.6, None)}


def made_pretraining(run: Path, path: str, number: int = 0) -> None:
    """Write history and probe of the pre-training `path`. A higher number has a lower loss and ends less spread."""
    history = [
        {
            **{"epoch": epoch, "loss": -0.1 * epoch - 0.01 * number, "z_std": EVEN * epoch / (EPOCHS + number)},
            **{"z_std_even": EVEN, "learning_rate": 0.1, "seconds": 1.0},
        }
        for epoch in range(1, EPOCHS + 1)
    ]
    probe = [
        {
            **{"cohort": cohort, "weights": weights, "slices": 90, "patients": 30},
            **{"balanced_accuracy": values[place], "chance": 0.5},
        }
        for place, weights in enumerate(("random", "simsiam"))
        for cohort, values in PROBED.items()
    ]
    write_table(run / f"{path}.history.tsv", history, "simsiam")
    write_table(run / f"{path}.probe.tsv", probe, "linear_probe")
