"""Rules of checklists by themselves, on a made run without models: all of them in one go."""

import pytest

from lungsight.config_check import complete_config
from lungsight.files import write_json
from lungsight.predict.run_settings import run_settings
from lungsight.tables import columns_of, read_table, write_table
from tests.factories.run import made_run, made_workspace
from tests.factories.tables import made_duplicates
from tests.factories.workspace import Workspace

STUDY = "title: Lungs & <b>classes</b>\nfunding: patient A, born 3.4.1956\nreference_standard: by PatientZero\n"
RULES = ("selection_table", "power_table", "risk_table", "risk_page", "checklists_table", "checklists_page")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """The folder, and all that Snakemake said."""
    folder = tmp_path_factory.mktemp("checklists")
    (folder / "my study.yaml").write_text(STUDY, encoding="utf-8")
    workspace = made_workspace(
        folder,
        {"clinic": "target"},
        **{
            "study": "my study.yaml",
            "report": {"title": "A made run", "bootstrap": 0},
            "segmentation": {"method": "classical"},
        },
        power={"roc_auc": [0.8], "accuracy": [0.8], "simulations": 100},
    )
    labels = ["Covid-19", "Non Covid"]
    rows = [f"PatientZero{n}\tscan{n}\t{labels[n % 2]}" for n in range(20)] + ["PatientZero\tone\tCovid-19"]
    for n in range(20):
        (folder / f"data/clinic/scan{n}").mkdir()
    (folder / "clinic.tsv").write_text("\n".join(["patient\tpath\tlabel", *rows]) + "\n", encoding="utf-8")
    config = complete_config({"results": workspace.results} | workspace.config)
    run = workspace.run_folder
    made_run(run, config, patients=8)
    write_json(run / "run.json", run_settings(config))
    made_duplicates(run)
    known = {"cohort": "clinic", "aspect": "kvp", "patients": 8, "balanced_accuracy": 0.97}
    write_table(run / "report/intake_labels.tsv", [known], schema="intake_labels")
    done = workspace.snakemake(
        "--cores",
        "2",
        "--show-failed-logs",
        "--allowed-rules",
        *RULES,
        "power",
        "checklists",
        "--",
        "power",
        "checklists",
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return workspace, done.stdout


def test_power_table(finished: tuple[Workspace, str]) -> None:
    table = read_table(finished[0].run_folder / "report/power.tsv", "power")
    assert list(table["method"]) == ["Wilson", "simulation", "Hanley-McNeil", "simulation"]
    assert set(table["slices"]) == {30} and set(table["patients"]) == {2}  # a tenth of 21


def test_power(finished: tuple[Workspace, str]) -> None:
    assert "clinic  2 (1 + 1)      AUC       patient  0.8" in finished[1]
    assert "with an assumed correlation of 0.5 within a patient" in finished[1]


def test_risk_table(finished: tuple[Workspace, str]) -> None:
    run = finished[0].run_folder
    flow = read_table(run / "report/flow.tsv", "flow")
    cases = read_table(run / "cohorts/clinic/cases.tsv", "cases")
    assert flow.loc[(flow["step"] == "table") & (flow["label"] == ""), "cases"].tolist() == [len(cases)]
    risk = read_table(run / "report/risk.tsv", "risk").set_index("rule")
    assert risk.loc["label predictability", ["value", "judgement"]].tolist() == [0.97, "high"]
    assert risk.loc["shared patients", "note"] == "not known: nothing was split"
    # The study file says the first, with the id of a patient.
    assert risk.loc["standard not said", "note"] == "not said: reference_standard, annotators, blinding_reference"


def test_risk_page(finished: tuple[Workspace, str]) -> None:
    page = (finished[0].run_folder / "report/risk.html").read_text(encoding="utf-8")
    assert "Flow diagram of clinic" in page and "label predictability (0.97 by kvp alone)" in page


def test_checklists_table(finished: tuple[Workspace, str]) -> None:
    run = finished[0].run_folder
    table = read_table(run / "report/checklists.tsv", "checklists")
    assert list(table.columns) == columns_of("checklists") and len(table) == 44 + 52 + 34 + 34
    claim = table[table["checklist"] == "CLAIM 2024"].set_index("item")
    assert claim.loc["1", ["answer", "state"]].tolist() == ["Lungs & <b>classes</b>", "human"]
    assert claim.loc["14", "answer"] == (
        "Not shown: the text holds the id of a patient of the cohort tables. Write it without."
    )
    assert claim.loc["32", "state"] == "not done"  # no model


def test_checklists_page(finished: tuple[Workspace, str]) -> None:
    page = (finished[0].run_folder / "report/checklists.html").read_text(encoding="utf-8")
    assert "Lungs &amp; &lt;b&gt;classes" in page and "PatientZero" not in page


def test_checklists(finished: tuple[Workspace, str]) -> None:
    """The study file is warned of by key; its texts are in no log and in no record of Snakemake's."""
    workspace, said = finished
    assert "study.funding holds what looks like a date of birth." in said
    assert "study.reference_standard holds the id of a patient" in said
    assert "PatientZero" not in said and "1956" not in said
    kept = [*(workspace.folder / ".snakemake/metadata").rglob("*"), *(workspace.run_folder / "logs").rglob("*")]
    assert kept and not [path for path in kept if path.is_file() and b"PatientZero" in path.read_bytes()]


def test_an_unknown_key_stops_the_run_before_any_job(finished: tuple[Workspace, str]) -> None:
    workspace, _ = finished
    (workspace.folder / "my study.yaml").write_text("fundin: me\n", encoding="utf-8")
    done = workspace.snakemake("-n", "--", "checklists")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "study: unknown key fundin; did you mean funding?" in done.stdout
