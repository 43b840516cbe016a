"""The tables with intervals follow from the files of audit_stage, byte for byte as from what it measured."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from lungsight.audit.intervals import CHANCE, NO_LUNG, sanity_rows, shortcut_rows
from lungsight.audit.interventions import INTERVENTIONS, Extents
from lungsight.audit.model_audit import Audit, AuditSettings, audit, batch_of, spread_sample
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.occlusion_tests import occlusion_rows, scores_of_interventions
from lungsight.audit.rows import DIFFERENCE, UNMODIFIED, clustered_interval
from lungsight.audit.sanity_checks import deletion_insertion_values, randomisation_values
from lungsight.audit.source_classifier import balanced_accuracy, predict_sources
from lungsight.classes import Classes
from lungsight.evaluation.intervals import mean_with_interval
from lungsight.explain.explanation import SliceImages
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier
from tests.factories.tables import NEGATIVE, POSITIVE, made_slice

PATIENTS, EACH, SIZE = 8, 3, 32
SETTINGS = AuditSettings(
    Extents(margin=0.02, border=0.1, crop=0.6, low_pass=0.05, blur=0.2), sample=9, draws=2, steps=4
)
RESAMPLES, SEED = 40, 11
CLASSES = Classes.of([POSITIVE, NEGATIVE])


@pytest.fixture(scope="module")
def outputs() -> ModelOutputs:
    keras.utils.set_random_seed(2)
    head = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.9}
    backbone = backbones.load("small_cnn")
    return ModelOutputs(build_classifier(backbone, head), backbone)


@pytest.fixture(scope="module")
def slices() -> SliceImages:
    """Slices of eight patients; the first has no lung, and the third is black, so that its map may be empty."""
    rng = np.random.default_rng(1)
    number = np.arange(PATIENTS * EACH)
    labels = np.where(number // EACH % 2 == 0, POSITIVE, NEGATIVE)
    drawn = [made_slice(SIZE, label == POSITIVE, rng) for label in labels]
    images, masks = (np.stack(arrays).astype(np.uint8) for arrays in zip(*drawn, strict=True))
    masks[0], images[2] = 0, 0
    table = pd.DataFrame(
        {
            "slice": [f"{k // EACH:016x}-{k % EACH:04d}" for k in number],
            "patient": [f"{k // EACH:016x}" for k in number],
            "label": labels,
        }
    )
    return SliceImages(table, images, masks > 0)


@pytest.fixture(scope="module")
def sources(slices: SliceImages) -> pd.Series:
    """By slice: two sources with several patients, one of them without a name, and one with a single patient."""
    of_patient = ["", "NA", "", "NA", "", "alone", "NA", ""]
    return pd.Series(np.repeat(of_patient, EACH), index=slices.table["slice"])


@pytest.fixture(scope="module")
def measured(outputs: ModelOutputs, slices: SliceImages, sources: pd.Series) -> Audit:
    return audit(outputs, slices, sources, CLASSES, SETTINGS, SEED)


def written(folder: Path, found: Audit) -> Audit:
    """What is read of what audit_stage writes."""
    tables = {}
    for name, table in zip(
        ("intervention_logits", "source_predictions", "sanity_values"),
        (found.logits, found.sources, found.sanity),
        strict=True,
    ):
        write_table(folder / f"{name}.tsv", table, schema=name)
        tables[name] = read_table(folder / f"{name}.tsv", schema=name)
    return Audit(*tables.values())


def tables_of(folder: Path, found: Audit, resamples: int = RESAMPLES) -> tuple[bytes, bytes]:
    """The bytes of shortcuts.tsv and sanity.tsv."""
    write_table(
        folder / "shortcuts.tsv", shortcut_rows(found.logits, found.sources, POSITIVE, resamples, SEED), "audit"
    )
    write_table(folder / "sanity.tsv", sanity_rows(found.sanity, resamples, SEED), "audit")
    return (folder / "shortcuts.tsv").read_bytes(), (folder / "sanity.tsv").read_bytes()


@pytest.mark.parametrize("resamples", [0, RESAMPLES])
def test_the_tables_of_the_files_are_those_of_memory(tmp_path: Path, measured: Audit, resamples: int) -> None:
    from_memory = tables_of(tmp_path / "memory", measured, resamples)
    assert tables_of(tmp_path / "files", written(tmp_path, measured), resamples) == from_memory
    shortcuts = read_table(tmp_path / "files/shortcuts.tsv", schema="audit")
    assert len(shortcuts) == 2 + 4 * len(INTERVENTIONS) + 3 + 1
    source = shortcuts.iloc[-1]
    assert (source["n"], source["chance"]) == ((PATIENTS - 1) * EACH - 1, 0.5)


def test_the_rows_are_those_of_the_values_themselves(
    outputs: ModelOutputs, slices: SliceImages, sources: pd.Series, measured: Audit
) -> None:
    """As the audit computed them from its arrays, before there were files between."""
    kept = slices.take(np.arange(1, PATIENTS * EACH))
    found = outputs(kept.images)
    rows = shortcut_rows(measured.logits, measured.sources, POSITIVE, RESAMPLES, SEED)
    scores = scores_of_interventions(measured.logits, None, POSITIVE)
    pd.testing.assert_frame_equal(pd.DataFrame(rows[:-1]), pd.DataFrame(occlusion_rows(*scores, RESAMPLES, SEED)))
    of_slices = kept.table["slice"].map(sources)
    kept_rows = (of_slices != "alone").to_numpy()
    predicted = predict_sources(found.features, of_slices, kept.table["patient"])[kept_rows]
    right = balanced_accuracy(of_slices[kept_rows].to_numpy(), predicted == of_slices[kept_rows].to_numpy())
    value, interval = clustered_interval(right, kept.table["patient"][kept_rows], RESAMPLES, SEED)
    assert (rows[-1]["value"], rows[-1]["value_lo"], rows[-1]["value_hi"]) == (value, *interval)

    sample = kept.take(spread_sample(len(kept.table), SETTINGS.sample))
    batch = batch_of(sample, SETTINGS.extents, CLASSES.names)
    values = [
        *randomisation_values(outputs, batch, SETTINGS.draws, SEED),
        *deletion_insertion_values(outputs, batch, SETTINGS.steps, SEED),
    ]
    sanity = sanity_rows(measured.sanity, RESAMPLES, SEED)
    assert [(row["test"], row["variant"], row["measure"]) for row in sanity] == [each[:3] for each in values]
    for row, each in zip(sanity, values, strict=True):
        mean, low, high = mean_with_interval(each.values[:, None], sample.table["patient"], RESAMPLES, SEED)
        np.testing.assert_array_equal([row["value"], row["value_lo"], row["value_hi"]], [mean[0], low[0], high[0]])
        assert row["n"] == np.isfinite(each.values).sum() and row["unit"] == "slice"


def test_what_chance_gives_stands_beside_each_measure(measured: Audit) -> None:
    by_name = {
        (row["test"], row["variant"], row["measure"]): row["chance"] for row in sanity_rows(measured.sanity, 0, 1)
    }
    assert by_name["randomisation", "all", "rank_correlation"] == CHANCE["rank_correlation"] == 0
    assert by_name["randomisation", "all", "enrichment"] == CHANCE["enrichment"] == 1
    for turn in ("deletion", "insertion"):
        assert by_name[turn, DIFFERENCE, "area"] == 0
        assert np.isnan(by_name[turn, "map", "area"]) and np.isnan(by_name[turn, "random", "area"])


def test_a_slice_without_a_map_counts_in_no_mean(tmp_path: Path, measured: Audit) -> None:
    """Where no slice has one, a row says so; an empty field of the table stays missing."""
    values = measured.sanity.copy()
    turned = values["test"] == "deletion"
    values.loc[turned, "value"] = np.nan
    values.loc[values.index[values["test"] == "insertion"][:1], "value"] = np.nan
    found = Audit(measured.logits, measured.sources, values)
    rows = sanity_rows(written(tmp_path, found).sanity, RESAMPLES, SEED)
    assert {row["reason"] for row in rows if row["test"] == "deletion"} == {"no map could be compared"}
    assert {row["n"] for row in rows if row["test"] == "deletion"} == {0}
    first = next(row for row in rows if row["test"] == "insertion")
    rest = measured.sanity[(measured.sanity["test"] == "insertion") & (measured.sanity["variant"] == "map")]["value"]
    assert (first["n"], first["value"]) == (8, pytest.approx(rest.iloc[1:].mean()))


def test_without_any_lung_there_are_empty_tables_and_one_row_with_the_reason(
    tmp_path: Path, outputs: ModelOutputs, slices: SliceImages, sources: pd.Series
) -> None:
    none = SliceImages(slices.table, slices.images, np.zeros_like(slices.masks))
    found = written(tmp_path, audit(outputs, none, sources, CLASSES, SETTINGS, SEED))
    assert all(table.empty for table in (found.logits, found.sources, found.sanity))
    (row,) = shortcut_rows(found.logits, found.sources, POSITIVE, RESAMPLES, SEED)
    assert (row["variant"], row["n"], row["reason"]) == (UNMODIFIED, 0, NO_LUNG)
    assert sanity_rows(found.sanity, RESAMPLES, SEED) == []
    tables_of(tmp_path, found)
    assert read_table(tmp_path / "sanity.tsv", schema="audit").empty
