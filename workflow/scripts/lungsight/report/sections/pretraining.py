"""Pre-training without labels: its epochs, and what a linear classifier reads from the features before and after."""

from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from lungsight.report.charts import BLUE, GREY, STYLE, as_svg, whole_numbers
from lungsight.report.components import Cell, PageTable, Statement, decimal, text, whole
from lungsight.report.headings import COHORT, INPUT_VIEW
from lungsight.report.results import RunResults
from lungsight.tables import read_table
from lungsight.wording import number

PROBE = [
    INPUT_VIEW,
    ("Network", ""),
    COHORT,
    ("Slices", "training slices that are predicted, at most 400"),
    ("Patients", ""),
    ("Chance", "one by the number of classes"),
    ("Random weights", "balanced accuracy from the features of the network at its start"),
    ("Pre-trained", "balanced accuracy from the features after the pre-training"),
]
CAPTION = "Linear probe: balanced accuracy by slice, in cross-validation by patient"


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the epochs and the linear probe of every pre-training; None where there is none."""
    described = results.run["pretrained"]
    if not described:
        return None
    names = [f"{each['backbone']}, {each['input_view']} slices" for each in described]
    histories, probes = (
        [read_table(results.folder / f"{each['path']}.{table}.tsv", schema) for each in described]
        for table, schema in (("history", "simsiam"), ("probe", "linear_probe"))
    )
    rows = [
        probe_cells(each["input_view"], each["backbone"], of_cohort)
        for each, probe in zip(described, probes, strict=True)
        for _, of_cohort in probe.groupby("cohort", sort=False)
    ]
    return {
        "statements": [epochs_in_words(*each) for each in zip(names, histories, strict=True)],
        "epochs": Markup(epochs_chart(names, histories)),
        "probe": PageTable("linear-probe", CAPTION, PROBE, rows),
    }


def share_of_even(history: pd.DataFrame) -> "pd.Series[float]":
    """Divide the standard deviation of z in each epoch by 1/√d, that of evenly spread outputs."""
    return history["z_std"] / history["z_std_even"]


def epochs_in_words(name: str, history: pd.DataFrame) -> Statement:
    """Say how far the loss fell, and how far the outputs are spread at the end."""
    first, last = (number(history["loss"].iloc[place]).replace("-", "−") for place in (0, -1))
    return Statement(
        "plain",
        f"{name}: the loss was {first} in the first and {last} in the last of {len(history)} epochs. The standard"
        f" deviation of z was {number(share_of_even(history).iloc[-1])} of 1/√d at the end.",
    )


def epochs_chart(names: list[str], histories: list[pd.DataFrame]) -> str:
    """Draw a row for each pre-training: the loss, and the standard deviation of z as a multiple of 1/√d."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 1.7 * len(names) + 0.3))
        for name, history, (of_loss, of_spread) in zip(
            names, histories, figure.subplots(len(names), 2, squeeze=False), strict=True
        ):
            of_loss.plot(history["epoch"], history["loss"], "-", color=BLUE, marker=".")
            of_spread.plot(history["epoch"], share_of_even(history), "-", color=BLUE, marker=".")
            of_spread.axhline(1, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
            of_spread.set_ylim(bottom=0)
            of_loss.annotate(name, (0, 1.28), xycoords="axes fraction", fontsize=9, fontweight="bold")
            for axes, title in ((of_loss, "loss"), (of_spread, "standard deviation of z · √d")):
                axes.set_title(title, fontsize=8, loc="left")
                axes.tick_params(labelsize=7)
                whole_numbers(axes.xaxis)
        figure.tight_layout(h_pad=1.2)
        return as_svg(figure)


def probe_cells(input_view: str, backbone: str, of_cohort: pd.DataFrame) -> list[Cell]:
    """Show the probe of one cohort: rows of the table `linear_probe` with random and with pre-trained weights."""
    by_weights = dict(zip(of_cohort["weights"], of_cohort["balanced_accuracy"], strict=True))
    first = of_cohort.iloc[0]
    return [
        *(text(input_view), text(backbone), text(first["cohort"]), whole(first["slices"]), whole(first["patients"])),
        decimal(first["chance"]),
        *(decimal(by_weights[weights]) for weights in ("random", "simsiam")),
    ]
