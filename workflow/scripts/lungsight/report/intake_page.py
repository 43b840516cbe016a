"""The page of intake: what was taken in, what was left out and why, and what tells the label without a lung."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import nibabel
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from lungsight import __version__
from lungsight.intake.geometry import slice_to_image
from lungsight.intake.summary_tables import NUMBERS, groups_with_two_labels
from lungsight.report import charts
from lungsight.report.components import PageTable, decimal, text, whole
from lungsight.report.pictures import Picture, as_picture
from lungsight.report.rendering import render
from lungsight.report.statements import Statement
from lungsight.report.templates import INTAKE_TEMPLATE
from lungsight.wording import MISSING, count

SHOWN_ON_SHEET = 24
THUMBNAIL = 160
_PANELS = 4
TELLS, DECIDES = 0.75, 0.95  # how well an aspect tells the label, from which on the page cautions and warns
_COUNTS = (("Cases", ""), ("Patients", ""), ("Slices", ""))


@dataclass(frozen=True)
class IntakeResults:
    """What intake left. facts: title, window, labels, cohorts (name, role, labelled); tables by cohort."""

    folder: Path
    facts: dict[str, Any]
    cases: dict[str, pd.DataFrame]
    slices: dict[str, pd.DataFrame]
    duplicates: pd.DataFrame
    counts: pd.DataFrame
    predictability: pd.DataFrame

    @property
    def labelled(self) -> list[str]:
        """Names of the cohorts that have labels."""
        return [cohort["name"] for cohort in self.facts["cohorts"] if cohort["labelled"]]


def render_intake(results: IntakeResults) -> str:
    """The whole page as HTML."""
    counted, predictability = results.counts, results.predictability
    view = {
        "title": results.facts["title"],
        "window": results.facts["window"],
        "version": __version__,
        "statements": statements(results, predictability),
        "overview": _overview(results),
        "predictability": _predictability_table(predictability),
        "sources": _counts_table("sources", "Source × label", counted[counted["aspect"] == "source"], cohort=True),
        "cohorts": [_cohort(results, cohort, counted) for cohort in results.facts["cohorts"]],
    }
    return render(INTAKE_TEMPLATE, view)


def statements(results: IntakeResults, predictability: pd.DataFrame) -> list[Statement]:
    """What the reader must know: what was lost, what is there twice, what tells the label."""
    found = []
    for name, cases in results.cases.items():
        status = cases["status"].value_counts()
        lost = [f"{status[word]} {word}" for word in ("rejected", "skipped") if word in status]
        sentence = f"{name}: {status.get('ok', 0)} of {count(len(cases), 'case')} taken in"
        tone = "warn" if "rejected" in status else "plain"
        found.append(Statement(tone, f"{sentence}, {', '.join(lost)}." if lost else f"{sentence}."))
    found += _about_duplicates(results)
    for row in (
        predictability[predictability["balanced_accuracy"] >= TELLS]
        .sort_values("balanced_accuracy", ascending=False)
        .itertuples()
    ):
        decides = row.balanced_accuracy >= DECIDES
        verb = "decides" if decides else "tells much about"
        tone = "bad" if decides else "warn"
        found.append(
            Statement(
                tone, f"{row.cohort}: {row.aspect} {verb} the label ({row.balanced_accuracy:.2f}; chance is 0.50)."
            )
        )
    return found


def _about_duplicates(results: IntakeResults) -> list[Statement]:
    near_duplicates = results.duplicates
    if not results.labelled:
        return []
    if near_duplicates.empty:
        return [Statement("good", "No slice has a twin in another patient or under another label.")]
    labels = pd.concat([results.cases[name].set_index("case")["label"] for name in results.labelled])
    torn = groups_with_two_labels(near_duplicates, labels)
    kinds = near_duplicates["kind"].value_counts()
    shown = ", ".join(f"{kinds[kind]} {kind}" for kind in ("exact", "near") if kind in kinds)
    found = [
        Statement(
            "warn",
            f"{count(len(near_duplicates), 'slice')} ({shown}) have a twin in another patient or under another label, in"
            f" {count(near_duplicates['group'].nunique(), 'group')}; splits.unit: patient+duplicates keeps them together.",
        )
    ]
    if torn:
        found.append(Statement("bad", f"{count(torn, 'group')} of twins hold both labels: one of them must be wrong."))
    return found


def _overview(results: IntakeResults) -> PageTable:
    headings = [("Cohort", ""), ("Role", ""), ("Rows", "of the table"), ("Taken in", ""), ("Rejected", "unusable")]
    headings += [("Skipped", "left out by a rule of the user's"), ("Patients", "of cases taken in"), ("Slices", "")]
    rows = []
    for cohort in results.facts["cohorts"]:
        cases = results.cases[cohort["name"]]
        status = cases["status"].value_counts()
        taken = cases[cases["status"] == "ok"]
        numbers = [len(cases), *(status.get(word, 0) for word in ("ok", "rejected", "skipped"))]
        numbers += [taken["patient"].nunique(), taken["n_slices"].sum()]
        rows.append([text(cohort["name"]), text(cohort["role"]), *map(whole, numbers)])
    return PageTable("overview", "Cohorts", headings, rows, frozenset(range(2, 8)))


def _predictability_table(predictability: pd.DataFrame) -> PageTable:
    headings = [("Aspect", ""), ("Cohort", ""), ("Patients", "of which it is known")]
    headings.append(("Tells the label", "0.5 is chance, 1 tells every patient right"))
    rows = []
    for row in predictability.sort_values("balanced_accuracy", ascending=False, na_position="last").itertuples():
        tone = "bad" if row.balanced_accuracy >= DECIDES else "warn" if row.balanced_accuracy >= TELLS else ""
        rows.append(
            [
                text(row.aspect),
                text(row.cohort),
                whole(row.patients),
                decimal(row.balanced_accuracy)._replace(tone=tone),
            ]
        )
    return PageTable(
        "balanced_accuracy", "How well one aspect alone tells the label", headings, rows, frozenset({2, 3})
    )


def _counts_table(name: str, caption: str, counted: pd.DataFrame, cohort: bool = False) -> PageTable:
    """Rows of `intake`, as they are."""
    first = "cohort" if cohort else "aspect"
    headings = [(first.capitalize(), ""), ("Value", ""), ("Label", ""), *_COUNTS]
    rows = [
        [
            *(text(row[first]), text(row["value"] or "not known"), text(row["label"] or MISSING)),
            *(whole(row[number]) for number in ("cases", "patients", "slices")),
        ]
        for row in counted.to_dict("records")
    ]
    return PageTable(name, caption, headings, rows, frozenset({3, 4, 5}))


def _cohort(results: IntakeResults, cohort: dict[str, Any], counted: pd.DataFrame) -> dict[str, Any]:
    name = cohort["name"]
    own, cases = counted[counted["cohort"] == name], results.cases[name]
    taken = cases[cases["status"] == "ok"]
    facts = own[~own["aspect"].isin(["status", "reason", "note", "source"])]
    facts = facts[facts.groupby("aspect")["value"].transform("any")]
    same = [f"{title} {taken[fact].iloc[0]:g}" for fact, title in _drawn(taken).items() if taken[fact].nunique() == 1]
    sheet = contact_sheet(results, name)
    return {
        "name": name,
        "role": cohort["role"],
        "left_out": _counts_table(f"left-{name}", "Left out, and why", own[own["aspect"] == "reason"]),
        "notes": _counts_table(f"notes-{name}", "Notes on what was taken in", own[own["aspect"] == "note"]),
        "facts": _counts_table(f"facts-{name}", "Acquisition and duplicates by label", facts),
        "histograms": Markup(histograms(taken)),
        "histogram_caption": f"{count(len(taken), 'case')} of {name}; what a header does not say is not drawn.",
        "same": f"The same in all: {', '.join(same)}." if same else "",
        "sheet": sheet,
        "sheet_caption": f"The middle slice of {len(sheet)} of {count(len(taken), 'case')}, spaced evenly.",
    }


def _drawn(taken: pd.DataFrame) -> dict[str, str]:
    """Numeric facts that some case has: column → title."""
    titles = {"n_slices": "slices of a case"} | NUMBERS
    return {name: title for name, title in titles.items() if name in taken and taken[name].notna().any()}


def histograms(taken: pd.DataFrame) -> str:
    """A panel for every numeric fact in which the cases taken in differ, by label; "" where they differ in none."""
    known = {name: title for name, title in _drawn(taken).items() if taken[name].nunique() > 1}
    if not known:
        return ""
    labels = [label for label in taken["label"].unique() if label] or [""]
    lines = -(-len(known) // _PANELS)
    with matplotlib.rc_context(charts.STYLE):
        figure = Figure(figsize=(9.6, 1.9 * lines))
        panels = figure.subplots(lines, _PANELS, squeeze=False).ravel()
        for (name, title), axes in zip(known.items(), panels, strict=False):
            edges = np.histogram_bin_edges(taken[name].dropna(), bins=20)
            for label, colour in zip(labels, (charts.BLUE, charts.ORANGE), strict=False):
                values = taken.loc[taken["label"] == label, name].dropna()
                shape = {"histtype": "stepfilled", "alpha": 0.45, "color": colour, "edgecolor": colour}
                axes.hist(values, bins=edges, label=label, **shape)
            axes.set_title(title, fontsize=8, loc="left")
            axes.tick_params(labelsize=7)
            axes.yaxis.get_major_locator().set_params(integer=True)
        for axes in panels[len(known) :]:
            axes.set_axis_off()
        if labels != [""]:
            panels[0].legend(fontsize=7, frameon=False)
        figure.tight_layout()
        return charts.as_svg(figure)


def contact_sheet(results: IntakeResults, cohort: str) -> list[Picture]:
    """The middle slice of up to 24 cases, evenly spaced over the table."""
    cases = results.cases[cohort]
    taken = cases[cases["status"] == "ok"]
    places = np.unique(np.linspace(0, len(taken) - 1, min(SHOWN_ON_SHEET, len(taken))).astype(int))
    pictures = []
    for case in taken.iloc[places].itertuples():
        image = Image.fromarray(_middle_slice(results, cohort, case))
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        caption = f"{case.label + ', ' if case.label else ''}row {case.row}"
        pictures.append(as_picture(image, f"middle slice of the case of {caption}", caption))
    return pictures


def _middle_slice(results: IntakeResults, cohort: str, case: Any) -> np.ndarray:
    """(rows, columns) uint8: from the 8-bit slices where the cohort has them, else from the volume."""
    folder, slices = results.folder / "cohorts" / cohort, results.slices[cohort]
    own = slices[slices["case"] == case.case]
    middle = own.iloc[len(own) // 2]
    if middle["png"]:
        return np.asarray(Image.open(folder / middle["png"]))
    volume = nibabel.load(folder / "nifti" / case.shard / f"{case.case}.nii.gz")
    plane = np.asarray(volume.dataobj[:, :, int(middle["z_index"])])
    return np.round(255 * slice_to_image(plane)).astype(np.uint8)
