"""Input functions and settings of the rules of checklists. No rules here."""

from types import SimpleNamespace

CHECKLISTS = REPOSITORY / "workflow" / "report" / "checklists"
RISK_RULES = REPOSITORY / "workflow" / "report" / "risk_rules.yaml"

STUDY_FILES = [config["study"]] if config["study"] else []
EVIDENCE = [f"{RESULTS}/{path}" for path in evidence_inputs(RUN)]


def digest_of_checklists():
    """Digest of what the checklists ask, and how it is answered."""
    return digest_of_files(sorted(CHECKLISTS.glob("*.yaml")))


def tables_of_labelled():
    """Cohort → the user's table, of cohorts with labels."""
    return {name: config["cohorts"][name]["table"] for name in labelled_cohorts()}


def digest_of_labelled_rows():
    """Digest of all that the users' tables say of the cohorts with labels."""
    return digest_of_tables(tuple(labelled_cohorts()))


def split_settings_of_labelled():
    """Cohort → what the config says of its split."""
    return {name: json.loads(split_settings(SimpleNamespace(cohort=name))) for name in labelled_cohorts()}


def slices_of_a_row():
    """Cohort → slices that a row of its table is assumed to give: a picture is one."""
    formats = {name: config["cohorts"][name]["format"] for name in labelled_cohorts()}
    return {name: 1 if format == "png" else config["power"]["slices"] for name, format in formats.items()}
