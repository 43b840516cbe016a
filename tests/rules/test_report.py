"""report_tables and write_report by themselves, on a made run."""

import pandas as pd
import pytest

from lungsight.config_check import complete_config
from lungsight.files import read_json
from lungsight.tables import read_table
from tests.factories.run import REPORT_RULES, made_run, made_workspace
from tests.factories.workspace import Workspace

PIPELINES = ["whole-resnet50-scratch", "segmented-resnet50-scratch"]


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Two pipelines in both stages, whole and segmented, from scratch."""
    workspace = made_workspace(
        tmp_path,
        {"lungs": "segmentation", "open": "public", "clinic": "target"},
        **{"pipelines": {"backbones": ["resnet50"], "weights": ["scratch"]}, "explain": {"overlays": 1}},
        report={"bootstrap": 100, "title": "A made run"},
    )
    made_run(workspace.run_folder, complete_config({"results": workspace.results} | workspace.config), patients=24)
    return workspace


def test_report_tables(workspace: Workspace) -> None:
    workspace.must_run("report_tables", "report/metrics.tsv")
    run = workspace.run_folder
    metrics = read_table(run / "report/metrics.tsv", schema="metrics")
    assert list(metrics["pipeline"].unique()) == PIPELINES
    evaluated = metrics[["stage", "cohort", "unit"]].drop_duplicates().to_records(index=False).tolist()
    assert evaluated == [
        (stage, cohort, unit)
        for stage, cohort in ((1, "open"), (1, "clinic"), (2, "clinic"))
        for unit in ("slice", "patient")
    ]
    found = read_json(run / f"models/{PIPELINES[1]}/stage2/metrics.json")["rows"][0]
    row = metrics[(metrics["pipeline"] == PIPELINES[1]) & (metrics["stage"] == 2)].iloc[0]
    assert row["f1"] == pytest.approx(found["f1"])
    assert row["thesis_accuracy"] == 0.9120
    assert row["thesis_recall"] == 0.9207  # printed as precision
    assert set(metrics["weights_origin"]) == {"scratch"}

    saliency = read_table(run / "report/saliency.tsv", schema="report_saliency")
    slices = read_table(run / f"explain/{PIPELINES[0]}/stage1/saliency.tsv", schema="saliency")
    row = saliency[(saliency["pipeline"] == PIPELINES[0]) & (saliency["stage"] == 1)].iloc[0]
    assert (row["outcome"], row["n"], row["n_empty"]) == ("all", len(slices), 1)
    assert row["enrichment"] == pytest.approx(slices["enrichment"].mean())
    summary = read_json(run / f"explain/{PIPELINES[0]}/stage1/summary.json")["methods"][0]["outcomes"][0]
    assert row["enrichment_lo"] == pytest.approx(summary["enrichment_lo"])


def test_rank_pipelines(workspace: Workspace) -> None:
    done = workspace.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", "report_tables", "audit_tables", "rank_pipelines"),
        *("--", f"{workspace.results}/report/systems.tsv"),
    )
    assert done.returncode == 0, done.stdout
    run = workspace.run_folder
    table = read_table(run / "report/systems.tsv", schema="systems")
    assert list(table["stage"]) == [1, 1, 2, 2] and list(table["rank"].iloc[[0, 2]]) == [1, 1]
    metrics = read_table(run / "report/metrics.tsv", schema="metrics").query("unit == 'patient'")
    by_model = metrics.set_index(["pipeline", "stage", "cohort"])["roc_auc"]
    for row in table.itertuples():
        assert row.roc_auc == by_model[row.pipeline, row.stage, row.cohort]
    first, second = table["roc_auc"].iloc[2:]
    assert first >= second and table["rank"].iloc[3] == (2 if first > second else 1)
    assert table["difference"].iloc[3] == pytest.approx(second - first)
    assert (table["network"] == "resnet50").all() and (table["paper"] == "").all()


def test_audit_tables(workspace: Workspace) -> None:
    done = workspace.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", "report_tables", "audit_tables", "--"),
        f"{workspace.results}/report/verdicts.tsv",
    )
    assert done.returncode == 0, done.stdout
    run = workspace.run_folder
    audit = read_table(run / "report/audit.tsv", schema="report_audit")
    shortcuts = read_table(run / f"explain/{PIPELINES[1]}/stage2/shortcuts.tsv", schema="audit")
    here = audit[(audit["pipeline"] == PIPELINES[1]) & (audit["stage"] == 2)]
    assert here["value"].head(len(shortcuts)).equals(shortcuts["value"].set_axis(here.index[: len(shortcuts)]))
    assert set(here["cohort"]) == {"clinic"}
    of_metadata = audit[audit["pipeline"] == ""]
    assert set(of_metadata["cohort"]) == {"open", "clinic"} and set(of_metadata["test"]) == {"metadata"}

    verdicts = read_table(run / "report/verdicts.tsv", schema="verdicts")
    assert list(zip(verdicts["pipeline"], verdicts["stage"], strict=True)) == [
        (name, stage) for name in PIPELINES for stage in (1, 2)
    ]
    by_patient = shortcuts[(shortcuts["unit"] == "patient") & (shortcuts["measure"] == "roc_auc")]
    swap = by_patient.set_index("variant").loc["background_only_other", "value"]
    assert verdicts.loc[3, "swap"] == pytest.approx(swap)

    comparisons = read_table(run / "report/comparisons.tsv", schema="comparisons")
    assert set(comparisons["compared"]) == {"framework"}
    row = comparisons[(comparisons["stage"] == 2) & (comparisons["measure"] == "swap")].iloc[0]
    swaps = verdicts[verdicts["stage"] == 2].set_index("pipeline")["swap"]
    assert (row["first"], row["second"]) == pytest.approx((swaps[PIPELINES[0]], swaps[PIPELINES[1]]))
    assert row["difference"] == pytest.approx(row["second"] - row["first"])


def test_write_report(workspace: Workspace) -> None:
    done = workspace.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", *REPORT_RULES),
        *("--", "report"),
    )
    assert done.returncode == 0, done.stdout
    page = (workspace.run_folder / "report/index.html").read_text(encoding="utf-8")
    assert "<h1>A made run</h1>" in page
    for name in PIPELINES:
        assert name in page
    assert str(workspace.folder) not in page
    again = workspace.snakemake("-n", "--allowed-rules", *REPORT_RULES, "--", "report")
    assert "Nothing to be done" in again.stdout, again.stdout


def test_a_table_that_does_not_fit_is_named(workspace: Workspace) -> None:
    path = workspace.run_folder / f"explain/{PIPELINES[0]}/stage1/saliency.tsv"
    table = pd.read_csv(path, sep="\t").drop(columns="enrichment")
    table.to_csv(path, sep="\t", index=False)
    done = workspace.run_rule("report_tables", "report/metrics.tsv")
    assert done.returncode != 0
    assert "saliency.tsv: column enrichment is missing" in done.stdout
    assert "Traceback" not in done.stdout
