"""Write the model card of a trained model: a page that is read in two minutes, with the file behind each number.

The YAML front matter is that of the Hugging Face Hub, with the test results as `model-index`. Sentences that hold for
every lungsight model stand in the template. Everything else is a number or a word of this run's files.

References
----------
Mitchell, M. et al. (2019). Model cards for model reporting. FAT* '19, 220-229.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jinja2
import pandas as pd
import yaml

from lungsight import __version__
from lungsight.files import sha256_of
from lungsight.layout import MODEL
from lungsight.package.crate import Published, is_link
from lungsight.package.templates import CARD_TEMPLATE, read_template
from lungsight.report.cautions import FEW_TEST_PATIENTS
from lungsight.report.results import Model, RunResults
from lungsight.run_description import cohort_of_stage, cohorts_of
from lungsight.splits.composition import single_class_sources
from lungsight.subsets import SUBSETS
from lungsight.wording import MISSING, count, listed, number, tally, with_interval

# Metric of report/metrics.tsv → its name on the Hub's leaderboards.
HUB_METRICS = {
    **{"roc_auc": "ROC AUC", "accuracy": "Accuracy", "recall": "Recall", "specificity": "Specificity", "f1": "F1"},
    "brier": "Brier score",
}
OF_CLASS = ("sensitivity", "specificity", "precision", "f1", "roc_auc")
SHOWN = ("roc_auc", "accuracy", "recall", "specificity", "f1")
ACQUISITION = {"slice_thickness": "slice thickness in mm", "kvp": "tube voltage in kV"}
MARKDOWN = str.maketrans(
    {"<": "&lt;", ">": "&gt;", "`": "'", "\n": " ", "\r": " "} | {mark: f"\\{mark}" for mark in "\\|*_[]"}
)
# The Hub's identifiers of Creative Commons licences.
CREATIVE_COMMONS = {
    *("cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
    *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
    *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
}
CC_LINK = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(?:licenses/([a-z-]+)|publicdomain/(zero))/(\d\.\d)(?:/.*)?"
)


def plain(text: object) -> str:
    """Write a text of the user's so that Markdown shows it as it is."""
    return str(text).translate(MARKDOWN)


def hub_licence(text: str) -> dict[str, str]:
    """Name a licence as the Hub's front matter does: an identifier, or "other" with a name and a link.

    Parameters
    ----------
    text
        `package.licence`: a link or a sentence; "" for none.
    """
    if not text:
        return {}
    link = CC_LINK.fullmatch(text)
    name = (
        f"cc0-{link[3]}" if link and link[2] else f"cc-{link[1]}-{link[3]}" if link else "-".join(text.lower().split())
    )
    if name in CREATIVE_COMMONS:
        return {"license": name}
    named = {"license": "other", "license_name": "own-licence"}
    return named | ({"license_link": text} if is_link(text) else {})


def _of_model(table: pd.DataFrame, model: Model) -> pd.DataFrame:
    return table[(table["pipeline"] == model[0]) & (table["stage"] == model[1])]


def hub_metadata(results: RunResults, model: Model, published: Published) -> dict[str, Any]:
    """Return the front matter: what the Hub's search and leaderboards read.

    Parameters
    ----------
    results
        Of the run.
    model
        Pipeline and stage.
    published
        What the config says of the package; a licence is named only where it gives one.
    """
    rows = _of_model(results.metrics, model)
    entries = [
        {
            "task": {"type": "image-classification", "name": f"{results.run['labels'][0]} against the rest"},
            "dataset": {"type": row["cohort"], "name": row["cohort"], "split": "test", "args": {"unit": row["unit"]}},
            "metrics": [
                {"type": metric, "name": f"{name} by {row['unit']}", "value": float(row[metric])}
                for metric, name in HUB_METRICS.items()
                if pd.notna(row[metric])
            ],
        }
        for row in rows.to_dict("records")
    ]
    phantom = all(cohort["phantom"] for cohort in results.run["cohorts"])
    return {
        **hub_licence(published.licence),
        **{
            "library_name": "keras",
            "pipeline_tag": "image-classification",
            "model_name": f"{model[0]} stage {model[1]}",
        },
        "tags": ["medical", "chest-ct", "lungsight", *(["generated-data"] if phantom else [])],
        "model-index": [
            {"name": f"{model[0]}-stage{model[1]}", "results": [entry for entry in entries if entry["metrics"]]}
        ],
    }


def performance_rows(results: RunResults, model: Model) -> list[list[str]]:
    """Return the rows of the table of results: cohort, unit, n, and each metric with its interval."""
    role = results.roles
    return [
        [
            f"{plain(row['cohort'])} ({role[row['cohort']]})",
            row["unit"],
            str(row["n"]),
            *(with_interval(row, name) for name in SHOWN),
        ]
        for _, row in _of_model(results.metrics, model).iterrows()
    ]


def class_rows(results: RunResults, model: Model, cohort: str) -> list[list[str]]:
    """Return the rows of the table of classes, by patient, with more than two: each against the rest."""
    if not results.many_classes:
        return []
    table = _of_model(results.of_classes["classes"], model)
    shown = table[(table["cohort"] == cohort) & (table["unit"] == "patient") & (table["probabilities"] == "raw")]
    return [
        [plain(row["class"]), str(row["n"]), *(with_interval(row, name) for name in OF_CLASS)]
        for _, row in shown.iterrows()
    ]


def subgroup_rows(results: RunResults, model: Model, cohort: str) -> list[list[str]]:
    """Return the rows of the table of subgroups, by patient, on the cohort that the model was trained on."""
    table = _of_model(results.evaluation["subgroups"], model)
    table = table[(table["cohort"] == cohort) & (table["unit"] == "patient")]
    return [
        [
            row["grouping"],
            plain(row["value"]),
            f"{row['n']} ({row['n_positive']})",
            with_interval(row, "roc_auc"),
            with_interval(row, "accuracy"),
        ]
        for _, row in table.iterrows()
    ]


def calibration(results: RunResults, model: Model, cohort: str) -> dict[str, str]:
    """Say how right the probabilities are by slice: Brier score, calibration error, the bin that is furthest off."""
    rows = _of_model(results.metrics, model)
    row = rows[(rows["cohort"] == cohort) & (rows["unit"] == "slice")].iloc[0]
    bins = _of_model(results.evaluation["reliability"], model)
    bins = bins[bins["cohort"] == cohort]
    values = {"brier": with_interval(row, "brier"), "ece": with_interval(row, "ece"), "bins": str(len(bins))}
    if bins.empty:
        return values | {"worst": ""}
    worst = bins.iloc[int((bins["mean_probability"] - bins["share_positive"]).abs().argmax())]
    slices, ends = count(int(worst["n"]), "slice"), f"{number(worst['low'], 1)} to {number(worst['high'], 1)}"
    mean, positive = number(worst["mean_probability"]), number(100 * worst["share_positive"], 0)
    are = f"are {plain(results.run['labels'][0])}" if results.many_classes else "are positive"
    sentence = f"Furthest off: of {slices} with a probability of {ends} (mean {mean}), {positive} % {are}."
    return values | {"worst": sentence}


def split_rows(results: RunResults, cohort: str, input_view: str) -> list[list[str]]:
    """Return the rows of the table of subsets: patients and slices, of each class."""
    split = results.splits[cohort, input_view]
    rows = []
    for subset in SUBSETS:
        members = split[split["split"] == subset]
        per_class = [members[members["label"] == label] for label in results.run["labels"]]
        rows.append([subset, *(f"{of_class['patient'].nunique()} ({len(of_class)})" for of_class in per_class)])
    return rows


def acquisition(cases: pd.DataFrame) -> list[str]:
    """Say what scans a cohort holds, of the cases that were taken: a sentence for each fact that cases.tsv knows."""
    taken = cases[cases["status"] == "ok"]
    sentences = [f"{count(len(taken), 'case')} taken of {len(cases)}; kinds: {tally(taken['kind'])}"]
    for column, words in ACQUISITION.items():
        known = taken[column].dropna() if column in taken else pd.Series(dtype=float)
        span = f" {number(known.min(), 1)} to {number(known.max(), 1)}," if len(known) else ""
        sentences.append(f"{words}:{span} known of {len(known)} of {count(len(taken), 'case')}")
    for column in ("manufacturer", "kernel"):
        if column in taken:
            sentences.append(f"{column}: {tally(taken[column].replace('', 'unknown'))}")
    return sentences


class Gap(NamedTuple):
    """Something that the audit could not see, with its numbers, and the file that says so."""

    sentence: str
    file: str


def unseen(results: RunResults, model: Model, cohort: str) -> Iterator[Gap]:
    """Yield what the audit of this model could not see."""
    verdict = _of_model(results.verdicts, model).iloc[0]
    primary, summary = results.summaries[model]["methods"][0], f"explain/{model[0]}/stage{model[1]}/summary.json"
    if missing := primary["missing"]:
        reasons, slices = (
            ", ".join(f"{reason} ({n})" for reason, n in missing.items()),
            count(primary["n"], "test slice"),
        )
        yield Gap(f"Maps of {sum(missing.values())} of {slices} were not measured: {reasons}.", summary)
    if not verdict["maps_pass"]:
        similarity = with_interval(verdict, "similarity")
        learned = f"they resemble those of random weights (rank correlation {similarity}), so they did not count"
        yield Gap(f"The maps are not shown to depend on what was learned: {learned}.", "report/verdicts.tsv")
    if verdict["patients"] < FEW_TEST_PATIENTS:
        patients = count(int(verdict["patients"]), "test patient")
        yield Gap(f"{patients} with lung in a slice: intervals of this width hide much.", "report/verdicts.tsv")
    yield masks_known(results)
    if (known := primary["lesions"]["known"]) < primary["n"]:
        drawn = f"Lesions are drawn in {known} of {count(primary['n'], 'test slice')}"
        yield Gap(f"{drawn}: whether attention lies on disease in the others is unknown.", summary)
    if not cohorts_of(results.run, "external"):
        yield Gap("No external cohort is in this run: 0 rows are of another hospital.", "report/metrics.tsv")
    if single := single_class_sources(results.slices[cohort]):
        sources = listed([plain(name) for name in single])
        yield Gap(
            f"{sources}: one class only, so source and disease cannot be separated there.",
            f"cohorts/{cohort}/slices.tsv",
        )


def masks_known(results: RunResults) -> Gap:
    """Say how well the lung masks are known that the audit trusts."""
    table, origin = results.segmentation, results.run["mask_origin"]
    test = table.loc[table["split"] == "test", "dice"].dropna() if len(table) else pd.Series(dtype=float)
    file = "segmentation/metrics.tsv"
    if test.empty:
        return Gap(f"The lung masks ({origin}) were compared with contours in 0 test cases.", file)
    dice, cases = f"Dice {number(test.median(), 3)} at the median", count(len(test), "test case")
    trusted = f"{dice}, {number(test.min(), 3)} at worst, in {cases} with contours"
    return Gap(f"The audit trusts the lung masks ({origin}): {trusted}.", file)


def environment(provenance: dict[str, Any]) -> str:
    """List what the model was trained with."""
    packages = provenance["packages"] | {"lungsight": provenance.get("lungsight", __version__)}
    return ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))


def model_card(results: RunResults, model: Model, published: Published) -> str:
    """Write the card of one model, in Markdown."""
    pipeline, stage = model
    folder, cohort = f"models/{pipeline}/stage{stage}", cohort_of_stage(results.run, stage)
    provenance, verdict = results.provenance[model], _of_model(results.verdicts, model).iloc[0]
    input_view = pipeline.split("-")[0]
    leakage = results.leakage[
        (results.leakage["cohort"] == cohort) & (results.leakage["framework"] == input_view)
    ].iloc[0]
    described = next(of_run for of_run in results.run["cohorts"] if of_run["name"] == cohort)
    values = {
        "front": yaml.safe_dump(hub_metadata(results, model, published), sort_keys=False, allow_unicode=True),
        **{"pipeline": pipeline, "stage": stage, "folder": folder, "cohort": cohort, "cohort_of_run": described},
        **{"input_view": input_view, "labels": results.run["labels"], "provenance": provenance, "verdict": verdict},
        **{"performance": performance_rows(results, model), "calibration": calibration(results, model, cohort)},
        "classes": class_rows(results, model, cohort),
        **{"subgroups": subgroup_rows(results, model, cohort), "split": split_rows(results, cohort, input_view)},
        **{
            "leakage": leakage,
            "acquisition": acquisition(results.cases[cohort]),
            "unseen": list(unseen(results, model, cohort)),
        },
        **{"phantoms": [of_run["name"] for of_run in results.run["cohorts"] if of_run["phantom"]]},
        **{"weights": sha256_of(results.folder / folder / MODEL), "environment": environment(provenance)},
        "licence": published.licence,
        "device": " ".join(provenance.get("hardware", {}).values()) or MISSING,
    }
    loader = jinja2.FunctionLoader(read_template)
    templates = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["plain"] = plain
    return templates.get_template(CARD_TEMPLATE).render(values)
