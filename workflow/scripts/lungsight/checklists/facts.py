"""Sentences that are built from the tables of a run: what the checklists say by themselves.

A fact reads one table, or one key of provenance.json; few add what a second one says of the same models. It says
nothing (None) where this table has nothing to say: no sentence here would be true of a run that did not make it. `read`
holds the words and numbers that were read.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from lungsight.checklists.evidence import Evidence
from lungsight.evaluation.aggregation import POOLED
from lungsight.evaluation.selection import NOT_TESTED
from lungsight.files import sha256_of
from lungsight.intake.cohort_summary import acquisition_summary, cohort_counts, usable_cases
from lungsight.intake.counts import normalise_reason
from lungsight.qc.rules import in_brief
from lungsight.report.components import Row
from lungsight.report.results import last_stage, model_of
from lungsight.report.words import use_in_words
from lungsight.splits.composition import single_class_sources, subset_counts
from lungsight.subsets import SUBSETS
from lungsight.wording import MISSING, count, interval, listed, number, tally, with_interval

SIGNIFICANT = 0.05
_FEW = 3  # words of a tally that a sentence names


class Answer(NamedTuple):
    """A sentence, and the words and numbers in it that were read from the table."""

    text: str
    read: tuple[str, ...]


Fact = Callable[[Evidence], Answer | None]


def _joined(parts: list[tuple[str, tuple[object, ...]]]) -> Answer | None:
    """Join sentences with what they read; None where there is none."""
    if not parts:
        return None
    return Answer(" ".join(text for text, _ in parts), tuple(str(word) for _, read in parts for word in read))


def _grouped(parts: list[tuple[str, str, tuple[object, ...]]]) -> Answer | None:
    """Join (where, what, words read); places of which the same is true stand together."""
    places: dict[tuple[str, tuple[object, ...]], list[str]] = {}
    for where, what, read in parts:
        places.setdefault((what, read), []).append(where)
    return _joined([(f"{listed(where)}: {what}.", read) for (what, read), where in places.items()])


def _most(words: pd.Series) -> str:
    """Tally words, the most frequent few by name."""
    counts = words.value_counts()
    few = tally(words[words.isin(counts.index[:_FEW])])
    rest = int(counts[_FEW:].sum())
    return few + (f", others ({rest})" if rest else "")


# ---- participants and scans


def counts(evidence: Evidence) -> Answer | None:
    """Count the rows of each table, and what became of them."""
    parts = []
    for name, cases in evidence.results.cases.items():
        found = cohort_counts(cases)
        lost = f"{found.rejected} rejected, {found.skipped} left out by the table"
        of_patients = f"{count(found.patients, 'patient')}, {count(found.slices, 'slice')}"
        text = f"{name}: {found.usable} of {count(found.rows, 'case')} usable ({lost}); {of_patients}."
        parts.append((text, (found.usable, found.patients)))
    return _joined(parts)


def left_out(evidence: Evidence) -> Answer | None:
    """Say why cases were not used."""
    parts = []
    for name, cases in evidence.results.cases.items():
        out = cases[cases["status"] != "ok"]
        words = out["status"] + ": " + out["reason"].map(normalise_reason)
        why = f": {_most(words)}" if len(out) else ""
        parts.append((f"{name}: {len(out)} of {len(cases)} rows not used{why}.", (len(out),)))
    return _joined(parts)


def _patients_by(table: pd.DataFrame, column: str) -> str:
    patients = table.groupby(column, sort=False)["patient"].nunique()
    return listed([f"{count(patients[name], 'patient')} {name}" for name in patients.index])


def sources(evidence: Evidence) -> Answer | None:
    """Name the sources of each cohort, and those that hold one class only."""
    parts = []
    for name, slices in evidence.results.slices.items():
        found = list(slices["source"].unique())
        single = single_class_sources(slices)
        more = f" Of one class only: {listed(single)}." if single else ""
        if found:
            shown = listed(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
            parts.append((f"{name}: {count(len(found), 'source')} ({shown}).{more}", tuple(found[:10])))
    return _joined(parts)


def window(evidence: Evidence) -> Answer | None:
    """Say how HU become images, by run.json."""
    intake, training = evidence.settings.get("intake"), evidence.settings.get("training")
    if not intake or not training:
        return None
    low, high = intake["window"]
    size = training["image_size"]
    text = (
        f"HU from {low} to {high} become 0 to 1; pictures have {intake['png_size']} pixels a side, the network's input"
        f" {size}."
    )
    return Answer(text, (str(low), str(high), str(size)))


def acquisition(evidence: Evidence) -> Answer | None:
    """Give medians of the acquisition by class."""
    parts = []
    for name, cases in evidence.results.cases.items():
        for row in acquisition_summary(cases).to_dict("records"):
            known = {
                "slice thickness {} mm": row["slice_thickness"],
                "pixel {} mm": row["spacing_row"],
                "{} kV": row["kvp"],
            }
            shown = [words.format(number(value, 1)) for words, value in known.items() if pd.notna(value)]
            if shown:
                label = f" ({row['label']})" if row["label"] else ""
                parts.append((f"{name}{label}", f"median {', '.join(shown)}", tuple(shown)))
    return _grouped(parts)


def missing_headers(evidence: Evidence) -> Answer | None:
    """Count the cases whose header is silent."""
    parts = []
    for name, cases in evidence.results.cases.items():
        usable = usable_cases(cases)
        silent = {what: int(usable[what].isna().sum()) for what in ("kvp", "slice_thickness", "contrast")}
        if len(usable):
            shown = ", ".join(f"{what} {n}" for what, n in silent.items())
            parts.append(
                (f"{name}: of {count(len(usable), 'usable case')} without a value: {shown}.", tuple(silent.values()))
            )
    return _joined(parts)


def quality_control(evidence: Evidence) -> Answer | None:
    """Count the slices that quality control leaves out, and say why."""
    parts = []
    for name, manifest in evidence.results.manifests.items():
        kept = ", ".join(f"{view} keeps {manifest[f'{view}_keep'].sum()}" for view in evidence.results.input_views)
        reasons = manifest.loc[manifest["reason"] != "", "reason"].map(in_brief)
        why = f": {_most(reasons)}" if len(reasons) else ""
        parts.append((f"{name}: of {count(len(manifest), 'slice')} {kept}{why}.", (len(manifest),)))
    return _joined(parts)


def selection(evidence: Evidence) -> Answer | None:
    """Compare what was left out of each class."""
    table, parts = evidence.results.selection, []
    steps = table.groupby(["cohort", "excluded_by", "framework"], sort=False) if len(table) else ()
    for (name, by, view), rows in steps:
        shares = [f"{row['label']} {with_interval(row, 'excluded')}" for row in rows.to_dict("records")]
        p = number(rows["p_holm"].iloc[0], 3)
        tested = NOT_TESTED if p == MISSING else f"p {p} after Holm"
        text = f"share left out by {by}: {listed(shares)} ({tested})"
        parts.append((f"{name} ({view})" if view else str(name), text, (str(by), p)))
    return _grouped(parts)


def people_decided(evidence: Evidence) -> Answer | None:
    """Count the slices on which a person decided."""
    return _joined(
        [
            (f"{name}: a person decided on {n} of {len(manifest)} slices, the rules on the others.", (n, len(manifest)))
            for name, manifest in evidence.results.manifests.items()
            for n in [int((manifest["decided_by"] == "person").sum())]
        ]
    )


def duplicates(evidence: Evidence) -> Answer | None:
    """Count the slices that several patients share."""
    table = evidence.duplicates
    if "kind" not in table.columns:
        return None
    found = {kind: int((table["kind"] == kind).sum()) for kind in ("exact", "near")}
    conflicts = int(table["label_conflict"].sum())
    text = (
        f"{found['exact']} slices have an exact and {found['near']} a near duplicate in another patient; {conflicts} of"
        " them under another label."
    )
    return Answer(text, (*map(str, found.values()), str(conflicts)))


def predictability(evidence: Evidence) -> Answer | None:
    """Say how well one aspect of the data alone tells the label."""
    table = evidence.predictability
    table = table if table.empty else table[table["balanced_accuracy"].notna()]
    parts = []
    for name, rows in table.groupby("cohort", sort=False) if len(table) else ():
        row = rows.sort_values("balanced_accuracy").iloc[-1]
        value = number(row["balanced_accuracy"])
        parts.append(
            (
                f"{name}: {row['aspect']} alone tells the label with {value} (0.5 is chance), more than the others.",
                (value,),
            )
        )
    return _joined(parts)


# ---- splits


def partitions(evidence: Evidence) -> Answer | None:
    """Count patients and slices of each subset."""
    parts = []
    for (name, view), split in evidence.results.splits.items():
        by = split.groupby("split")
        sizes = [
            f"{subset} {by.get_group(subset)['patient'].nunique()} patients ({len(by.get_group(subset))} slices)"
            for subset in SUBSETS
            if subset in by.groups
        ]
        parts.append((f"{name} ({view})", ", ".join(sizes), tuple(by.groups)))
    return _grouped(parts)


def events(evidence: Evidence) -> Answer | None:
    """Count the patients of each class in each subset."""
    parts = []
    for (name, view), split in evidence.results.splits.items():
        shown = [
            f"{subset}: {_patients_by(rows, 'label')}"
            for subset in SUBSETS
            if len(rows := split[split["split"] == subset])
        ]
        if shown and view == evidence.results.input_views[0]:
            parts.append((f"{name}, {'; '.join(shown)}.", tuple(split["label"].unique())))
    return _joined(parts)


def composition(evidence: Evidence) -> Answer | None:
    """Count training and test patients of each source."""
    view, parts = (evidence.results.input_views or [""])[0], []
    for name, slices in evidence.results.slices.items():
        split = evidence.results.splits.get((name, view))
        if split is None:
            continue
        by_source = (
            subset_counts(split, slices).groupby("source", sort=False)[["train_patients", "test_patients"]].sum()
        )
        shown = [
            f"{source}: {row['train_patients']} train, {row['test_patients']} test"
            for source, row in by_source.iterrows()
        ]
        parts.append((f"{name}, patients by source: {'; '.join(shown[:10])}.", tuple(by_source.index[:10])))
    return _joined(parts)


def overlap(evidence: Evidence) -> Answer | None:
    """Say what the subsets share."""
    parts = []
    for row in evidence.results.leakage.to_dict("records"):
        known, identical = row["patients_known"], row["identical_images_on_two_sides"]
        patients = f"{row['patients_on_two_sides']} of {row['patients']}" if known else "an unknown number of"
        text = (
            f"split by {row['unit']}; {patients} patients in two subsets, {identical} slices with identical images and"
            f" {row['near_duplicates_on_two_sides']} with near duplicates there"
        )
        parts.append((f"{row['cohort']} ({row['framework']})", text, (row["unit"], identical)))
    return _grouped(parts)


def planned_width(evidence: Evidence) -> Answer | None:
    """Give the interval that the test patients can give, by power.tsv."""
    table = evidence.power
    table = table if table.empty else table[(table["method"] == "Hanley-McNeil") & table["width"].notna()]
    parts = []
    for name, rows in table.groupby("cohort", sort=False) if len(table) else ():
        shown = [f"{number(row['width'])} at a true AUC of {row['assumed']}" for row in rows.to_dict("records")]
        patients = rows["patients"].iloc[0]
        parts.append(
            (
                f"{name}: {count(patients, 'test patient')}; the 95 % interval of the AUC would be {listed(shown)}"
                " wide.",
                (patients,),
            )
        )
    return _joined(parts)


# ---- models


def _by_model(evidence: Evidence, say: Callable[[dict[str, Any]], tuple[str, tuple[object, ...]]]) -> Answer | None:
    """Say one thing of every model, models of which the same is true together."""
    said: dict[tuple[str, tuple[object, ...]], list[str]] = {}
    for model, provenance in evidence.results.provenance.items():
        said.setdefault(say(provenance), []).append(evidence.results.model_name(model))
    everybody = len(evidence.results.provenance)
    return _joined(
        [
            (f"{f'All {everybody} models' if len(models) == everybody > 1 else listed(models)}: {text}.", read)
            for (text, read), models in said.items()
        ]
    )


def architecture(evidence: Evidence) -> Answer | None:
    """Give backbone and number of parameters."""

    def say(provenance: Mapping[str, Any]) -> tuple[str, tuple[object, ...]]:
        parameters, settings = provenance["model"]["parameters"], provenance["settings"]
        head = f"head {settings['head']} with {settings['head_units']} units ({settings['head_activation']})"
        return f"{provenance['backbone']}, {parameters} parameters, {head}", (provenance["backbone"], parameters)

    return _by_model(evidence, say)


def specification(evidence: Evidence) -> Answer | None:
    """Give the architecture, and the SHA-256 of the weights where they are there."""
    built = architecture(evidence)
    if built is None:
        return None
    digests = []
    for name, stage in evidence.results.provenance:
        path = evidence.results.folder / f"models/{name}/stage{stage}/model.keras"
        if path.is_file():
            digests.append(f"{evidence.results.model_name((name, stage))} {sha256_of(path)}")
    return Answer(
        " ".join([built.text, *([f"SHA-256 of model.keras: {listed(digests)}."] if digests else [])]), built.read
    )


def joined_machines(evidence: Evidence) -> Answer | None:
    """Say how models whose head joins several machines do so, and how ensembles join models."""
    joining = "extreme_learning_machines"
    parts = []
    for model, provenance in evidence.results.provenance.items():
        settings = provenance["settings"]
        if settings["head"] == joining:
            what = f"three machines of {settings['head_units']} random neurons; the median of their margins decides"
            parts.append((evidence.results.model_name(model), what, (settings["head_units"],)))
    return _grouped(parts + list(_ensembles(evidence.results.ensembles)))


def _ensembles(table: pd.DataFrame) -> Iterator[tuple[str, str, tuple[object, ...]]]:
    columns = ["ensemble", "stage", "members", "note"]
    for name, stage, members, note in [] if table.empty else table[columns].drop_duplicates().itertuples(index=False):
        weights = note or "weights by validation alone"
        yield f"ensemble {name}, stage {stage}", f"mean of the logits of {listed(members.split())}; {weights}", ()


def packages(evidence: Evidence) -> Answer | None:
    """Give the versions of the libraries."""

    def say(provenance: Mapping[str, Any]) -> tuple[str, tuple[object, ...]]:
        versions = provenance["packages"]
        return ", ".join(f"{name} {version}" for name, version in versions.items()), tuple(versions)

    return _by_model(evidence, say)


def start(evidence: Evidence) -> Answer | None:
    """Say what the weights started from."""

    def say(provenance: Mapping[str, Any]) -> tuple[str, tuple[object, ...]]:
        weights = provenance["weights"]
        kind = {"parent": f"the model of stage 1, which started from {weights['origin']}"}.get(
            weights["kind"], weights["kind"]
        )
        return f"started from {kind}" + (f" (SHA-256 {weights['sha256'][:12]})" if weights["sha256"] else ""), (
            weights["origin"],
        )

    return _by_model(evidence, say)


def training(evidence: Evidence) -> Answer | None:
    """Give hyperparameters."""
    shown = ("batch_size", "epochs", "learning_rate", "loss", "weight_decay", "early_stopping", "augmentation")

    def say(provenance: Mapping[str, Any]) -> tuple[str, tuple[object, ...]]:
        settings = provenance["settings"]
        words = ", ".join(f"{name.replace('_', ' ')} {_plain(settings[name])}" for name in shown if name in settings)
        return words, (_plain(settings["batch_size"]),)

    return _by_model(evidence, say)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{name.replace('_', ' ')} {_plain(part)}" for name, part in value.items()) + ")"
    return "none" if value is None else " to ".join(map(str, value)) if isinstance(value, list) else str(value)


def loss(evidence: Evidence) -> Answer | None:
    """Say how the loss treats classes of unequal size."""

    def say(provenance: Mapping[str, Any]) -> tuple[str, tuple[object, ...]]:
        settings = provenance["settings"]
        return f"loss {settings['loss']}, class costs {_plain(settings['class_costs'])}", (settings["loss"],)

    return _by_model(evidence, say)


def overfitting(evidence: Evidence) -> Answer | None:
    """Say what was done against overfitting."""

    def say(provenance: Mapping[str, Any]) -> tuple[str, tuple[object, ...]]:
        settings = provenance["settings"]
        shown = ("weight_decay", "label_smoothing", "early_stopping", "augmentation")
        return ", ".join(f"{name.replace('_', ' ')} {_plain(settings[name])}" for name in shown), (
            _plain(settings["weight_decay"]),
        )

    return _by_model(evidence, say)


def preprocessing(evidence: Evidence) -> Answer | None:
    """Say what the network does to pixels first."""
    return _by_model(evidence, lambda provenance: (provenance["preprocessing"], (provenance["preprocessing"],)))


def epochs(evidence: Evidence) -> Answer | None:
    """Say which epoch was kept, and why the training ended."""
    parts = []
    for model, history in evidence.results.histories.items():
        kept = history.loc[history["kept"] == 1, "epoch"].iloc[0]
        text = f"epoch {kept} of {len(history)} kept ({history['stopped'].iloc[-1]})"
        parts.append((evidence.results.model_name(model), text, (kept, len(history))))
    return _grouped(parts)


# ---- how well


def _model_rows(evidence: Evidence) -> Iterator[tuple[str, Row]]:
    for row in evidence.last_models.to_dict("records"):
        yield f"{evidence.results.display_name(row['pipeline'])} stage {row['stage']} on {row['cohort']}", row


def performance(evidence: Evidence) -> Answer | None:
    """Give the AUC by patient of the models of the last stage."""
    return _joined(
        [
            (
                f"{name}: AUC {with_interval(row, 'roc_auc')}, n = {row['n']} patients.",
                (number(row["roc_auc"]), row["n"]),
            )
            for name, row in _model_rows(evidence)
        ]
    )


def accuracy(evidence: Evidence) -> Answer | None:
    """Give sensitivity and specificity by patient, with intervals."""
    return _joined(
        [
            (
                f"{name}: sensitivity {with_interval(row, 'recall')}, specificity {with_interval(row, 'specificity')},"
                f" accuracy {with_interval(row, 'accuracy')}.",
                (number(row["recall"]), number(row["specificity"])),
            )
            for name, row in _model_rows(evidence)
        ]
    )


def confusion(evidence: Evidence) -> Answer | None:
    """Count answers of the model × true class, by patient."""
    return _joined(
        [
            (
                f"{name}: of {row['tp'] + row['fn']} positive patients {row['tp']} found and {row['fn']} missed; of"
                f" {row['tn'] + row['fp']} negative ones {row['tn']} right and {row['fp']} wrong"
                f" (threshold {row['threshold']}).",
                (row["tp"], row["tn"]),
            )
            for name, row in _model_rows(evidence)
        ]
    )


def uncertainty(evidence: Evidence) -> Answer | None:
    """Give the widths of the intervals that were reached."""
    rows = [(name, row) for name, row in _model_rows(evidence) if interval(row, "roc_auc")]
    resamples = evidence.results.run["bootstrap"]
    return _joined(
        [
            (
                f"{name}: the 95 % interval of the AUC is {interval(row, 'roc_auc')} ({resamples} resamples of"
                f" patients), {number(row['roc_auc_hi'] - row['roc_auc_lo'])} wide.",
                (interval(row, "roc_auc"),),
            )
            for name, row in rows
        ]
    )


def measures(evidence: Evidence) -> Answer | None:
    """Give AUC, calibration error and Brier score by patient, and at which thresholds the net benefit shows use."""
    named = _joined(
        [
            (
                f"{name}: AUC {with_interval(row, 'roc_auc')}, calibration error {with_interval(row, 'ece')}, Brier"
                f" score {with_interval(row, 'brier')}.",
                (number(row["roc_auc"]), number(row["ece"])),
            )
            for name, row in _model_rows(evidence)
        ]
    )
    return named and Answer(f"{named.text} Net benefit (decision_curves.tsv): {_use(evidence)}.", named.read)


def _use(evidence: Evidence) -> str:
    results = evidence.results
    curves = last_stage(results.on_training_cohort(results.evaluation["decision_curves"]))
    said = [
        f"{results.model_name(model_of(curve.iloc[0]))} {use_in_words(curve)}"
        for _, curve in curves.groupby(["pipeline", "stage"], sort=False)
    ]
    return "; ".join(said)


def external(evidence: Evidence) -> Answer | None:
    """Give the AUC on cohorts that were tested only."""
    metrics = evidence.results.metrics
    if metrics.empty:
        return None
    roles = metrics["cohort"].map(evidence.results.roles)
    rows = metrics[(roles == "external") & (metrics["unit"] == "patient")]
    return _joined(
        [
            (
                f"{row['pipeline']} stage {row['stage']} on {row['cohort']}: AUC {with_interval(row, 'roc_auc')},"
                f" n = {row['n']} patients.",
                (row["cohort"], row["n"]),
            )
            for row in rows.to_dict("records")
        ]
    )


def unadapted(evidence: Evidence) -> Answer | None:
    """Give the AUC of models of stage 1 on data that they were not trained on."""
    metrics = evidence.results.metrics
    if metrics.empty:
        return None
    roles = metrics["cohort"].map(evidence.results.roles)
    rows = metrics[roles.isin(["target", "external"]) & (metrics["unit"] == "patient") & (metrics["stage"] == 1)]
    return _joined(
        [
            (
                f"{row['pipeline']}, trained on another cohort, on {row['cohort']}: AUC"
                f" {with_interval(row, 'roc_auc')}.",
                (row["cohort"],),
            )
            for row in rows.to_dict("records")
        ]
    )


def differences(evidence: Evidence) -> Answer | None:
    """Compare pairs of models on the same patients."""
    table = evidence.results.evaluation.get("differences", pd.DataFrame())
    table = (
        table
        if table.empty
        else table[(table["unit"] == "patient") & (table["metric"] == "roc_auc") & table["p_holm"].notna()]
    )
    if table.empty:
        return None
    found = int((table["p_holm"] < SIGNIFICANT).sum())
    least = number(table["p_holm"].min(), 3)
    text = (
        f"{len(table)} paired comparisons of the AUC by patient; {found} differ (p < 0.05 after Holm),"
        f" the smallest p is"
        f" {least}."
    )
    return Answer(text, (str(found), least))


def adaptation(evidence: Evidence) -> Answer | None:
    """Say what training on the target cohort changed."""
    table = evidence.results.evaluation.get("differences", pd.DataFrame())
    wanted = {"comparison": "adaptation", "unit": "patient", "metric": "roc_auc"}
    for column, word in wanted.items():
        table = table if table.empty else table[table[column] == word]
    return _joined(
        [
            (
                f"{row['second_pipeline']} on {row['cohort']}: AUC {number(row['first'])} before and"
                f" {number(row['second'])} after training on it, difference {_signed(row)}.",
                (number(row["first"]), number(row["second"])),
            )
            for row in table.to_dict("records")
        ]
    )


def _signed(row: Row) -> str:
    between = f" ({row['difference_lo']:+.2f} to {row['difference_hi']:+.2f})" if pd.notna(row["difference_lo"]) else ""
    return f"{row['difference']:+.2f}{between}"


def subgroups(evidence: Evidence) -> Answer | None:
    """Name the groupings that were looked at, and the range of the AUC in them."""
    table = evidence.results.evaluation.get("subgroups", pd.DataFrame())
    table = table if table.empty else table[table["unit"] == "patient"]
    parts = []
    for (cohort, grouping), rows in table.groupby(["cohort", "grouping"], sort=False) if len(table) else ():
        known = rows["roc_auc"].dropna()
        between = (
            f"AUC by patient from {number(known.min())} to {number(known.max())}"
            if len(known)
            else "no AUC (one class each)"
        )
        words = [str(word) for word in rows["value"].unique()]
        parts.append((f"{cohort}, by {grouping} ({listed(words[:10])}): {between}.", (grouping,)))
    return _joined(parts)


def performance_in_groups(evidence: Evidence) -> Answer | None:
    """Give the AUC of the models of the last stage, and its range in subgroups."""
    overall, groups = performance(evidence), subgroups(evidence)
    if overall is None:
        return None
    more = (
        groups.text
        if groups
        else "No subgroups: test patients differ in neither source, scanner, kernel, contrast, age nor sex."
    )
    return Answer(f"{overall.text} {more}", overall.read)


def prediction(evidence: Evidence) -> Answer | None:
    """Say how slices and patients get a probability, and how it becomes a class."""
    chosen = thresholds(evidence)
    if chosen is None:
        return None
    table = evidence.results.evaluation["aggregation"]
    own = table.loc[table["aggregation"] == POOLED, "pipeline"].unique()
    by_mean = "the mean of those of the slices"
    names = listed([evidence.results.display_name(name) for name in own])
    patient = f"the model's own ({names}), else {by_mean}" if len(own) else by_mean
    first, *others = evidence.results.run["labels"]
    text = f"The network gives each slice the probability of {first}; that of a patient is {patient}. {chosen.text}"
    if len(others) > 1:
        text = (
            f"The network gives each slice a probability of each of {listed([first, *others])}; those of a patient are"
            f" {patient}. The class with the highest is predicted. For {first} against the rest: {chosen.text}"
        )
    return Answer(text, chosen.read)


def thresholds(evidence: Evidence) -> Answer | None:
    """Give thresholds, and where they come from."""
    table = evidence.results.evaluation.get("aggregation", pd.DataFrame())
    table = table if table.empty else table[table["unit"] == "patient"]
    parts = []
    for chosen, rows in table.groupby("threshold_from", sort=False) if len(table) else ():
        low, high = number(rows["threshold"].min()), number(rows["threshold"].max())
        between = low if low == high else f"{low} to {high}"
        parts.append((f"Threshold {chosen}: {between}.", (chosen, low)))
    return _joined(parts)


# ---- what the models look at


def verdicts(evidence: Evidence) -> Answer | None:
    """Count the verdicts of the audit."""
    table = evidence.results.verdicts
    if table.empty:
        return None
    found = {verdict: int((table["verdict"] == verdict).sum()) for verdict in dict.fromkeys(table["verdict"])}
    text = "; ".join(f"{count(n, 'model')}: {verdict}" for verdict, n in found.items())
    return Answer(f"{text}.", tuple(found))


def robustness(evidence: Evidence) -> Answer | None:
    """Give the AUC with the lung replaced."""
    table, other = evidence.results.verdicts, "another" if evidence.results.many_classes else "the other"
    table = table if table.empty else table[table["stage"] == table["stage"].max()]
    return _joined(
        [
            (
                f"{row['pipeline']} stage {row['stage']}: AUC {with_interval(row, 'auc')} intact,"
                f" {with_interval(row, 'background')} with the lung grey, {with_interval(row, 'swap')} with"
                f" the lung of {other} class.",
                (number(row["auc"]), number(row["swap"])),
            )
            for row in table.to_dict("records")
        ]
    )


def enrichment(evidence: Evidence) -> Answer | None:
    """Give lung mass and enrichment of Grad-CAM."""
    table = evidence.results.saliency
    table = table if table.empty else table[(table["outcome"] == "all") & (table["stage"] == table["stage"].max())]
    return _joined(
        [
            (
                f"{row['pipeline']} stage {row['stage']}: {with_interval(row, 'lung_mass')} of the Grad-CAM map"
                f" on the lung, enrichment {with_interval(row, 'enrichment')} (1 is chance), {row['n']} slices.",
                (number(row["enrichment"]), row["n"]),
            )
            for row in table.to_dict("records")
        ]
    )


# ---- the way of the patients, and the risk


def flow(evidence: Evidence) -> Answer | None:
    """Follow the patients, by flow.tsv."""
    table = evidence.flow
    table = (
        table
        if table.empty
        else table[(table["label"] == "") & table["step"].isin(["table", "usable", "kept", "test"])]
    )
    parts = []
    for (name, view), rows in table.groupby(["cohort", "input_view"], sort=False) if len(table) else ():
        shown = [f"{row['step']} {row['patients']}" for row in rows.to_dict("records")]
        where = f"{name}, {view} slices" if view else name
        parts.append((f"{where}: patients {', '.join(shown)}.", tuple(rows["patients"])))
    return _joined(parts)


def _risk(domain: str) -> Fact:
    def of_domain(evidence: Evidence) -> Answer | None:
        rows = evidence.risk
        rows = rows if rows.empty else rows[(rows["domain"] == domain) & (rows["rule"] == "")]
        return _joined(
            [
                (f"{row['judgement'].capitalize()}: {row['note']}", (row["judgement"].capitalize(),))
                for row in rows.to_dict("records")
            ]
        )

    return of_domain


FACTS: dict[str, Fact] = {
    fact.__name__: fact
    for fact in (
        *(counts, left_out, sources, window, acquisition, missing_headers, quality_control, selection),
        *(people_decided, duplicates, predictability, partitions, events, composition, overlap),
        *(
            planned_width,
            architecture,
            packages,
            start,
            training,
            loss,
            overfitting,
            preprocessing,
            epochs,
            performance,
        ),
        *(accuracy, confusion, uncertainty, measures, external, unadapted, differences, adaptation, subgroups),
        *(specification, joined_machines, performance_in_groups, prediction),
        *(thresholds, verdicts, robustness, enrichment, flow),
    )
} | {
    "risk_participants": _risk("participants"),
    "risk_images": _risk("images"),
    "risk_reference_standard": _risk("reference standard"),
    "risk_analysis": _risk("analysis"),
}
