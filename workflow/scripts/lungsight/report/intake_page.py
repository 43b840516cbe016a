"""The page of intake: what was taken in, what was left out and why, and what predicts the label without a lung."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import nibabel
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from lungsight import __version__
from lungsight.audit.forensics import COHORT as COHORT_QUESTION
from lungsight.intake.aspects import NUMBERS
from lungsight.intake.cohort_summary import cohort_counts, usable_cases
from lungsight.intake.counts import MOST_VALUES
from lungsight.intake.duplicates import groups_with_two_labels
from lungsight.intake.geometry import slice_to_image
from lungsight.intake.label_predictability import OF_CLASS, PREDICTS
from lungsight.report.charts import STYLE, as_svg, class_colours, whole_numbers
from lungsight.report.components import PageTable, Row, Statement, decimal, text, whole
from lungsight.report.forensics import answers_of_cohorts, forensic_findings
from lungsight.report.headings import COHORT, SOURCE
from lungsight.report.pictures import Picture, as_picture
from lungsight.report.rendering import render
from lungsight.report.templates import INTAKE_TEMPLATE
from lungsight.run_description import IntakeCohort, IntakeDescription, labelled_cohorts_of
from lungsight.tables import columns_of
from lungsight.wording import MISSING, count

SHOWN_ON_SHEET = 24
THUMBNAIL = 160
_PANELS = 4
# Balanced accuracy of an aspect from which on the page warns; from PREDICTS on it cautions.
DECIDES = 0.95


@dataclass(frozen=True)
class IntakeResults:
    """What intake left.

    Attributes
    ----------
    folder
        The run's folder, for images.
    run
        The run's description.
    cases, slices
        By cohort.
    duplicates, counts, predictability
        duplicates.tsv, report/intake.tsv and report/intake_labels.tsv.
    traces
        By labelled cohort: forensics.tsv, with patient and label of each slice.
    forensics
        report/forensics.tsv; no row where no cohort has labels.
    """

    folder: Path
    run: IntakeDescription
    cases: dict[str, pd.DataFrame]
    slices: dict[str, pd.DataFrame]
    duplicates: pd.DataFrame
    counts: pd.DataFrame
    predictability: pd.DataFrame
    traces: dict[str, pd.DataFrame] = field(default_factory=dict)
    forensics: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=columns_of("report_forensics")))

    def load(self, cohort: str, name: str) -> np.ndarray:
        """Read an 8-bit slice of a labelled cohort: (rows, columns) uint8."""
        slices = self.slices[cohort]
        png = slices.loc[slices["slice"] == name, "png"].iloc[0]
        return np.asarray(Image.open(self.folder / "cohorts" / cohort / png))


def render_intake(results: IntakeResults) -> str:
    """Render the whole page."""
    counts, run = results.counts, results.run
    of_sources = counts[counts["aspect"] == "source"]
    return render(
        INTAKE_TEMPLATE,
        {
            "title": run["title"],
            "window": run["window"],
            "version": __version__,
            "statements": statements(results),
            "overview": overview_table(results),
            "ids": ids_table(results.run),
            "predictability": predictability_table(results.predictability),
            "forensics": answers_of_cohorts(results.forensics, results.traces, results.load),
            "sources": _counts_table("intake-sources", "Source × label", of_sources, "cohort"),
            "cohorts": [_cohort(results, cohort) for cohort in run["cohorts"]],
        },
    )


def statements(results: IntakeResults) -> list[Statement]:
    """Say what the reader must know: what was lost, what is there twice, what predicts the label."""
    return [
        *(_taken_in(name, cases) for name, cases in results.cases.items()),
        *_read_as(results.run),
        *_about_duplicates(results),
        *about_predictability(results.predictability),
        *forensic_findings(results.forensics),
        *forensic_findings(results.forensics, COHORT_QUESTION),
    ]


def _taken_in(name: str, cases: pd.DataFrame) -> Statement:
    counts = cohort_counts(cases)
    lost = {"rejected": counts.rejected, "skipped": counts.skipped}
    words = [
        f"{counts.usable} of {count(counts.rows, 'case')} taken in",
        *(f"{n} {word}" for word, n in lost.items() if n),
    ]
    return Statement("warn" if counts.rejected else "plain", f"{name}: {', '.join(words)}.")


def _read_as(run: IntakeDescription) -> list[Statement]:
    """Say which columns of a table were read as age or sex, though they have another name."""
    return [
        Statement("plain", f"{read['cohort']}: the table's column “{read['column']}” was read as {read['meaning']}.")
        for read in run["read_as"]
    ]


def _about_duplicates(results: IntakeResults) -> list[Statement]:
    duplicates, labelled = results.duplicates, labelled_cohorts_of(results.run)
    if not labelled:
        return []
    if duplicates.empty:
        sentence = "No slice has an exact or near duplicate in another patient or under another label."
        return [Statement("good", sentence)]
    kinds = duplicates["kind"].value_counts()
    shown = ", ".join(f"{kinds[kind]} {kind}" for kind in ("exact", "near") if kind in kinds)
    sentences = [
        Statement(
            "warn",
            f"{count(len(duplicates), 'slice')} ({shown}) have a duplicate in another patient or under another label,"
            f" in {count(duplicates['group'].nunique(), 'group')}; splits.unit: patient+duplicates keeps"
            " them together.",
        )
    ]
    labels = pd.concat([results.cases[name].set_index("case")["label"] for name in labelled])
    conflicts = groups_with_two_labels(duplicates, labels)
    if conflicts:
        both = "both" if len(results.run["labels"]) == 2 else "two"
        sentence = f"{count(conflicts, 'group')} of duplicates hold {both} labels: one of them must be wrong."
        sentences.append(Statement("bad", sentence))
    return sentences


def about_predictability(predictability: pd.DataFrame) -> list[Statement]:
    """Say which aspects alone predict the label, the strongest first."""
    strong = predictability[predictability["balanced_accuracy"] >= PREDICTS]
    return [
        Statement(
            _tone(row["balanced_accuracy"]),
            f"{row['cohort']}: {row['aspect']} {'decides' if row['balanced_accuracy'] >= DECIDES else 'predicts'}"
            f" {_told(row)} ({row['balanced_accuracy']:.2f}; chance is 0.50).",
        )
        for _, row in strong.sort_values("balanced_accuracy", ascending=False).iterrows()
    ]


def _told(row: Any) -> str:
    """Say what a row of report/intake_labels.tsv tells: of more than two classes the one that it tells best."""
    return f"which cases are {row[OF_CLASS]}" if row.get(OF_CLASS) else "the label"


def _tone(accuracy: float) -> str:
    return "bad" if accuracy >= DECIDES else "warn" if accuracy >= PREDICTS else ""


def overview_table(results: IntakeResults) -> PageTable:
    """Show what became of the rows of every cohort's table."""
    headings = [COHORT, ("Role", ""), ("Rows", "of the table"), ("Taken in", ""), ("Rejected", "unusable")]
    headings += [("Skipped", "left out by a rule of the user's"), ("Patients", "of cases taken in"), ("Slices", "")]
    rows = [
        [text(cohort["name"]), text(cohort["role"]), *map(whole, cohort_counts(results.cases[cohort["name"]]))]
        for cohort in results.run["cohorts"]
    ]
    return PageTable("overview", "Cohorts", headings, rows)


def ids_table(run: IntakeDescription) -> PageTable:
    """Show how the patient ids of every table were read: counts, and no id."""
    headings = [COHORT, ("Rows with an id", ""), ("Rows without", "each counts as a patient of its own")]
    headings += [("Ids", "as they are written"), ("Patients", "that the ids mean")]
    headings += [("Merged", "spellings that were taken for one of another id"), ("Rule", "patient_ids of the config")]
    rules = {"": "no two ids are alike", "exact": "exact: as written", "normalise": "normalise: alike is one patient"}
    rows = [
        [
            *(text(ids["cohort"]), whole(ids["rows"]), whole(ids["without"]), whole(ids["ids"])),
            *(whole(ids["patients"]), whole(ids["ids"] - ids["patients"]), text(rules[ids["rule"]])),
        ]
        for ids in run["ids"]
    ]
    return PageTable("ids", "How patient ids were read", headings, rows)


def predictability_table(predictability: pd.DataFrame) -> PageTable:
    """Show report/intake_labels.tsv, the strongest aspect first."""
    headings = [("Aspect", ""), COHORT, ("Patients", "of whom it is known")]
    headings.append(("Balanced accuracy", "0.5 is chance, 1 predicts every patient's label; of numbers the ROC AUC"))
    ordered = predictability.sort_values("balanced_accuracy", ascending=False, na_position="last")
    rows = [
        [
            text(f"{row['aspect']} ({row[OF_CLASS]})" if row.get(OF_CLASS) else row["aspect"]),
            *(text(row["cohort"]), whole(row["patients"])),
            decimal(row["balanced_accuracy"])._replace(tone=_tone(row["balanced_accuracy"])),
        ]
        for row in ordered.to_dict("records")
    ]
    return PageTable("predictability", "How well one aspect alone predicts the label", headings, rows)


def _counts_table(name: str, caption: str, counts: pd.DataFrame, first: str = "aspect") -> PageTable:
    """Show rows of report/intake.tsv. first: the column that comes first."""
    value = SOURCE if first == "cohort" else ("Value", "")
    headings = [(first.capitalize(), ""), value, ("Label", ""), ("Cases", ""), ("Patients", ""), ("Slices", "")]
    rows = [
        [
            *(text(row[first]), text(row["value"] or "not known"), text(row["label"] or MISSING)),
            *(whole(row[number]) for number in ("cases", "patients", "slices")),
        ]
        for row in counts.to_dict("records")
    ]
    return PageTable(name, caption, headings, rows)


def _cohort(results: IntakeResults, cohort: IntakeCohort) -> dict[str, Any]:
    """Give what the template shows of one cohort."""
    name = cohort["name"]
    counts, taken = results.counts[results.counts["cohort"] == name], usable_cases(results.cases[name])
    acquisition = counts[~counts["aspect"].isin(["status", "reason", "note", "source"])]
    acquisition = acquisition[acquisition.groupby("aspect")["value"].transform("any")]
    constant = [
        f"{title} {taken[column].iloc[0]:g}"
        for column, title in _numbers_known(taken).items()
        if taken[column].nunique() == 1
    ]
    sheet = contact_sheet(results, name)
    return {
        "name": name,
        "role": cohort["role"],
        "left_out": _counts_table(f"left-{name}", "Left out, and why", counts[counts["aspect"] == "reason"]),
        "notes": _counts_table(f"notes-{name}", "Notes on what was taken in", counts[counts["aspect"] == "note"]),
        "acquisition": _counts_table(f"acquisition-{name}", "Acquisition and duplicates by label", acquisition),
        "grouped": f"Where there are more than {MOST_VALUES} values, the rarest are one row, and sizes are grouped by"
        f" the longer side of the image, in pixels. cohorts/{name}/cases.tsv has those of each case.",
        "histograms": Markup(histograms(taken)),
        "histogram_caption": f"{count(len(taken), 'case')} of {name}; what a header does not say is not drawn.",
        "constant": f"The same in all: {', '.join(constant)}." if constant else "",
        "sheet": sheet,
        "sheet_caption": f"The middle slice of {len(sheet)} of {count(len(taken), 'case')}, spaced evenly.",
    }


def _numbers_known(taken: pd.DataFrame) -> dict[str, str]:
    """List the numeric columns that some case has: column → title."""
    titles = {"n_slices": "slices of a case", "rows": "rows of an image", "columns": "columns of an image"} | NUMBERS
    return {name: title for name, title in titles.items() if name in taken and taken[name].notna().any()}


def histograms(taken: pd.DataFrame) -> str:
    """Draw a panel by label for every number in which the cases taken in differ; "" where they differ in none."""
    varied = {name: title for name, title in _numbers_known(taken).items() if taken[name].nunique() > 1}
    if not varied:
        return ""
    labels = [label for label in taken["label"].unique() if label] or [""]
    lines = -(-len(varied) // _PANELS)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 1.9 * lines))
        panels = figure.subplots(lines, _PANELS, squeeze=False).ravel()
        for (name, title), axes in zip(varied.items(), panels, strict=False):
            _draw_histogram(axes, taken, name, labels)
            axes.set_title(title, fontsize=8, loc="left")
        for axes in panels[len(varied) :]:
            axes.set_axis_off()
        if labels != [""]:
            panels[0].legend(fontsize=7, frameon=False)
        figure.tight_layout()
        return as_svg(figure)


def _draw_histogram(axes: Axes, taken: pd.DataFrame, name: str, labels: list[str]) -> None:
    edges = np.histogram_bin_edges(taken[name].dropna(), bins=20)
    for label, colour in zip(labels, class_colours(len(labels)), strict=True):
        values = taken.loc[taken["label"] == label, name].dropna()
        axes.hist(
            *(values, edges.tolist()), label=label, histtype="stepfilled", alpha=0.45, color=colour, edgecolor=colour
        )
    axes.tick_params(labelsize=7)
    whole_numbers(axes.yaxis)


def contact_sheet(results: IntakeResults, cohort: str) -> list[Picture]:
    """Show the middle slice of up to 24 cases, evenly spaced over the table."""
    taken = usable_cases(results.cases[cohort])
    places = np.unique(np.linspace(0, len(taken) - 1, min(SHOWN_ON_SHEET, len(taken))).astype(int))
    pictures = []
    for case in taken.iloc[places].to_dict("records"):
        image = Image.fromarray(_middle_slice(results, cohort, case))
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        caption = f"{case['label'] + ', ' if case['label'] else ''}row {case['row']}"
        pictures.append(as_picture(image, f"middle slice of the case of {caption}", caption))
    return pictures


def _middle_slice(results: IntakeResults, cohort: str, case: Row) -> np.ndarray:
    """Read (rows, columns) uint8: from the 8-bit slices where the cohort has them, else from the volume."""
    folder, slices = results.folder / "cohorts" / cohort, results.slices[cohort]
    of_case = slices[slices["case"] == case["case"]]
    middle = of_case.iloc[len(of_case) // 2]
    if middle["png"]:
        return np.asarray(Image.open(folder / middle["png"]))
    volume = nibabel.Nifti1Image.from_filename(folder / "nifti" / case["shard"] / f"{case['case']}.nii.gz")
    plane = np.asarray(volume.dataobj[:, :, int(middle["z_index"])])
    return np.round(255 * slice_to_image(plane)).astype(np.uint8)
