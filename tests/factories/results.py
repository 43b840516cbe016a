"""The results of a whole made run, as the report reads them."""

from pathlib import Path

from lungsight.audit.ranking import ranking_table
from lungsight.audit.replicate_table import read_replicates
from lungsight.config_check import complete_config
from lungsight.evaluation.selection import Cohort, selection_table
from lungsight.evaluation.tables import metrics_table
from lungsight.explain.tables import saliency_table
from lungsight.files import read_json
from lungsight.layout import REPLICATES
from lungsight.report.components import Statement
from lungsight.report.results import RunResults, read_results
from lungsight.run_description import RunDescription, describe_run, input_views_of, labelled_cohorts_of, models_of
from lungsight.tables import read_table, write_table
from lungsight.training.provenance import origins_of
from tests.factories.audit import made_audit_tables
from tests.factories.evaluation import made_evaluation_tables
from tests.factories.replicates import made_replicates
from tests.factories.run import made_run
from tests.factories.workspace import ROOT

THESIS, PRINTED = ROOT / "config/thesis.tsv", ROOT / "config/table-2-2.tsv"


def made_results(folder: Path, roles: dict[str, str], **settings: object) -> RunResults:
    """Make a run of phantom cohorts, name → role, below a folder. settings: of the config."""
    cohorts = {
        name: {"role": role, "format": "dicom", "root": name, "table": "x", "phantom": {"seed": 1, "patients": 4}}
        for name, role in roles.items()
    }
    config = complete_config({"results": "x", "cohorts": cohorts, "report": {"bootstrap": 100}} | settings)
    made_run(folder, config, patients=24)
    run = describe_run(config)
    made_selection(folder, run)
    if run["stages"]:
        made_report_tables(folder, run, roles)
    return read_results(folder, run, THESIS)


def made_selection(folder: Path, run: RunDescription) -> None:
    """Write report/selection.tsv, where quality control ran."""
    names = labelled_cohorts_of(run) if run["has_masks"] else []
    cohorts = [
        Cohort(
            name,
            *(read_table(folder / f"cohorts/{name}/{table}.tsv", table) for table in ("cases", "slices")),
            read_table(folder / f"qc/{name}/manifest.tsv", "manifest"),
            patients_known=True,
        )
        for name in names
    ]
    table = selection_table(cohorts, input_views_of(run), run["labels"], run["seed"])
    write_table(folder / "report/selection.tsv", table, schema="selection")


def made_report_tables(folder: Path, run: RunDescription, roles: dict[str, str]) -> None:
    """Write the tables below report/ that stand between the models and the page."""
    models = models_of(run)
    origins, thesis = origins_of(folder, models), read_table(THESIS, "thesis")
    metrics = [
        (name, stage, read_json(folder / f"models/{name}/stage{stage}/metrics.json")["rows"]) for name, stage in models
    ]
    maps = [
        (name, stage, read_table(folder / f"explain/{name}/stage{stage}/saliency.tsv", "saliency"))
        for name, stage in models
    ]
    write_table(folder / "report/metrics.tsv", metrics_table(metrics, thesis, roles, origins), schema="metrics")
    saliency = saliency_table(maps, origins, run["bootstrap"], run["seed"])
    write_table(folder / "report/saliency.tsv", saliency, schema="report_saliency")
    made_evaluation_tables(folder, run)
    if run["replicates"] > 1:
        made_replicates(folder, run)
        write_table(folder / REPLICATES, read_replicates(folder, run), schema="replicates")
    made_audit_tables(folder, run)
    write_table(folder / "report/systems.tsv", ranking_table(folder, run, read_table(PRINTED, "printed")), "systems")


def changed(results: RunResults, **parts: object) -> RunResults:
    """Replace some parts of the results."""
    return RunResults(**vars(results) | parts)


def metrics_where(results: RunResults, **columns: object) -> RunResults:
    """Replace columns of the metrics."""
    return changed(results, metrics=results.metrics.assign(**columns))


def texts(statements: list[Statement]) -> str:
    """Join the texts of statements."""
    return " ".join(statement.text for statement in statements)
