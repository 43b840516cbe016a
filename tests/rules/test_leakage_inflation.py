"""The leakage experiment on phantoms, whose patients each have a texture and a shape of their own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lungsight.config_check import complete_config
from lungsight.demo.cohort import label_of, phantom_of
from lungsight.evaluation.leakage_inflation.conditions import split_of_condition
from lungsight.evaluation.leakage_inflation.settings import LEAKAGE_CONDITIONS
from lungsight.intake.geometry import slice_to_image
from lungsight.privacy import pseudonym
from lungsight.tables import read_table, write_table
from tests.factories.run import made_workspace
from tests.factories.tables import KEY, POSITIVE, made_cohort, made_split, save_images
from tests.factories.workspace import Workspace

RULES = ("leakage_conditions", "leakage_training", "leakage_inflation")
PIPELINE = "whole-small_cnn-scratch"
# Of the second repeat: the condition, the fractions, and the config's seed + 1.
BY_SEED = (LEAKAGE_CONDITIONS[0], [0.5, 0.1, 0.4], 2022)


def phantom_images(workspace: Workspace, patients: int, slices: int, size: int) -> pd.DataFrame:
    """The image cache and the split of a hospital of phantoms; returns its slices."""
    phantom = {"seed": 7, "patients": patients, "slices": slices, "matrix": size}
    config = complete_config({"results": "made"} | workspace.config)
    cohort = config["cohorts"]["hospital"] | {"phantom": phantom | {"scanner": "alpha", "shortcut": {"enabled": False}}}
    rows, images = [], []
    low, high = config["intake"]["window"]
    for number in range(patients):
        hu = phantom_of(number, cohort).hu
        grey = np.rint(255 * np.clip((hu - low) / (high - low), 0, 1)).astype(np.uint8)
        case, patient = pseudonym(KEY, "case", str(number)), pseudonym(KEY, "patient", str(number))
        for k in range(slices):
            images.append(slice_to_image(grey[:, :, k]))
            rows.append({"slice": f"{case}-{k:04d}", "patient": patient, "label": label_of(number)})
    table = pd.DataFrame(rows)
    save_images(workspace.run_folder / "training/images/hospital", table[["slice"]], whole=np.stack(images))
    made_split(workspace.run_folder, "hospital", "whole", table)
    return table


def leakage_pipelines(folder, patients: int, slices: int, size: int, **leakage) -> Workspace:
    """A finished experiment."""
    training = {"image_size": size, "threads": 1, "head_units": 64, "batch_norm_momentum": 0.8}
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]}
    workspace = made_workspace(
        folder,
        {"curated": "public", "hospital": "target"},
        splits={"fractions": [0.45, 0.1, 0.45]},
        training=training,
        pipelines=pipelines,
        leakage=leakage,
        report={"bootstrap": 500},
    )
    phantom_images(workspace, patients, slices, size)
    target = f"{workspace.results}/report/leakage_inflation.tsv"
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *RULES, "--", target)
    assert done.returncode == 0, done.stdout[-6000:]
    return workspace


@pytest.fixture(scope="module")
def hospital(tmp_path_factory) -> Workspace:
    return leakage_pipelines(
        tmp_path_factory.mktemp("inflation"), patients=32, slices=12, size=64, epochs=15, batch_size=8
    )


def test_leakage_conditions(hospital):
    """The same slices in four ways; shuffled labels are a patient's, and tell nothing of the true ones."""
    folder = hospital.run_folder / "leakage_inflation" / "conditions" / "whole"
    tables = {condition: read_table(folder / f"{condition.name}.tsv", "split") for condition in LEAKAGE_CONDITIONS}
    own = read_table(hospital.run_folder / "splits" / "hospital" / "whole.tsv", "split")
    for condition, table in tables.items():
        assert table["slice"].tolist() == own["slice"].tolist()
        torn = (table.groupby("patient")["split"].nunique() > 1).mean()
        assert torn == 0 if condition.unit == "patient" else torn > 0.9
        if condition.labels == "true":
            assert table["label"].tolist() == own["label"].tolist()
        else:
            assert (table.groupby("patient")["label"].nunique() == 1).all()
            by_patient = table.assign(truth=own["label"]).drop_duplicates("patient")
            assert by_patient.groupby(["truth", "label"]).size().tolist() == [8] * 4


def test_leakage_training(hospital):
    """Each condition is tested on its own test subset, with its own labels."""
    predictions = read_table(hospital.run_folder / "leakage_inflation" / f"{PIPELINE}.tsv", "leakage_predictions")
    folder = hospital.run_folder / "leakage_inflation" / "conditions" / "whole"
    for condition in LEAKAGE_CONDITIONS:
        table = read_table(folder / f"{condition.name}.tsv", "split").query("split == 'test'")
        own = predictions[(predictions["labels"] == condition.labels) & (predictions["unit"] == condition.unit)]
        assert own["slice"].tolist() == table["slice"].tolist() and own["label"].tolist() == table["label"].tolist()
    checkpoints = hospital.run_folder / "training" / "checkpoints"
    assert not list(checkpoints.rglob("*.npz"))


def check_inflation(workspace: Workspace) -> pd.DataFrame:
    """What a split by slice must be shown to do."""
    found = read_table(workspace.run_folder / "report" / "leakage_inflation.tsv", "leakage_inflation")
    assert [(row.labels, row.unit) for row in found.itertuples()] == [
        tuple(condition) for condition in LEAKAGE_CONDITIONS
    ]
    assert (found["cohort"] == "hospital").all() and (found["pipeline"] == PIPELINE).all()
    found = found.set_index(["labels", "unit"])
    shuffled = found.loc["shuffled"]
    assert shuffled.loc["slice", "roc_auc_lo"] > 0.5  # with nothing to learn but who the patient is
    assert shuffled.loc["patient", "roc_auc_lo"] <= 0.5 <= shuffled.loc["patient", "roc_auc_hi"]
    assert shuffled.loc["patient", "accuracy_lo"] <= 0.5 <= shuffled.loc["patient", "accuracy_hi"]
    assert shuffled.loc["slice", "inflation"] > 0
    assert found.loc[("true", "slice"), "inflation"] > 0
    assert found.loc[("true", "slice"), "roc_auc"] > found.loc[("true", "patient"), "roc_auc"]
    assert found["inflation"].isna().tolist() == [False, True] * 2
    return found


def test_leakage_inflation(hospital):
    check_inflation(hospital)


@pytest.fixture
def repeated(tmp_path) -> Workspace:
    """An experiment that is done five times, with nothing trained yet."""
    space = made_workspace(
        tmp_path,
        {"curated": "public", "hospital": "target"},
        splits={"fractions": [0.5, 0.1, 0.4]},
        pipelines={"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
        leakage={"repeats": 5},
        report={"bootstrap": 50},
    )
    made_split(space.run_folder, "hospital", "whole", made_cohort(space.run_folder, "hospital", patients=24, slices=3))
    return space


def test_leakage_conditions_again(repeated):
    """Each repeat divides the same slices in another way, and draws other random labels."""
    folder = repeated.run_folder / "leakage_inflation" / "conditions"
    names = [f"{condition.name}.tsv" for condition in LEAKAGE_CONDITIONS]
    targets = [f"leakage_inflation/conditions/r{number}/whole/{names[0]}" for number in (2, 3)]
    repeated.must_run("leakage_conditions_again", *targets)
    second, third = ({name: read_table(folder / f"r{k}/whole/{name}", "split") for name in names} for k in (2, 3))
    for name in names:
        assert second[name]["slice"].tolist() == third[name]["slice"].tolist()
        assert second[name]["split"].tolist() != third[name]["split"].tolist()
    assert second["shuffled-patient.tsv"]["label"].tolist() != third["shuffled-patient.tsv"]["label"].tolist()
    # By the seed of the repeat.
    wanted = split_of_condition(read_table(repeated.run_folder / "splits/hospital/whole.tsv", "split"), *BY_SEED)
    assert second["true-slice.tsv"]["split"].tolist() == wanted["split"].tolist()


def test_leakage_repeats(repeated):
    """A table over five made experiments; nothing else is asked of them."""
    rng, means = np.random.default_rng(0), []
    for number in range(1, 6):
        parts, aucs = [], {}
        for condition in LEAKAGE_CONDITIONS:
            table = read_table(repeated.run_folder / "splits/hospital/whole.tsv", "split").query("split == 'test'")
            skill = 2.0 if condition.unit == "slice" else 0.5
            logit = skill * (table["label"] == POSITIVE) + rng.normal(size=len(table))
            part = table[["slice", "patient", "label"]].assign(probability=1 / (1 + np.exp(-logit)))
            parts.append(part.assign(**condition._asdict()))
            aucs[condition] = roc_auc_score(part["label"] == POSITIVE, part["probability"])
        means.append(aucs[LEAKAGE_CONDITIONS[0]] - aucs[LEAKAGE_CONDITIONS[1]])
        name = PIPELINE if number == 1 else f"{PIPELINE}-r{number}"
        path = repeated.run_folder / f"leakage_inflation/{name}.tsv"
        write_table(path, pd.concat(parts, ignore_index=True), "leakage_predictions")
    repeated.must_run("leakage_repeats", "report/leakage_repeats.tsv")
    found = read_table(repeated.run_folder / "report/leakage_repeats.tsv", "leakage_repeats")
    row = found.query("labels == 'true' and metric == 'inflation'").iloc[0]
    assert (row["pipeline"], row["splits"]) == (PIPELINE, 5)
    assert (row["value"], row["mean"]) == pytest.approx((means[0], np.mean(means)))
    assert row["mean_lo"] < row["mean"] < row["mean_hi"]


@pytest.mark.long
def test_leakage_inflation_of_a_larger_hospital(tmp_path):
    """With 64 patients the intervals are narrow: what leakage adds is shown under both labels."""
    found = check_inflation(leakage_pipelines(tmp_path, patients=64, slices=12, size=64, epochs=15, batch_size=8))
    assert found.loc[("shuffled", "slice"), "roc_auc"] > 0.8
    assert (found["inflation_lo"].dropna() > 0).all()
