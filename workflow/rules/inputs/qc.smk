"""Input functions and settings of the rules of qc. No rules here."""


def decision_files(wildcards):
    """The person's decisions that a cohort's manifest is made from."""
    if not DECISIONS:
        return []
    tables = {cohort: f"{RESULTS}/cohorts/{cohort}/cases.tsv" for cohort in labelled_cohorts()}
    cases = {cohort: known_cases(cohort, table, KEY, ROWS[cohort]) for cohort, table in tables.items()}
    return files_of_cohort(DECISIONS, wildcards.cohort, cases)


def slices_decided_on(wildcards, input):
    """Tables of the slices that a decision may name, those of any cohort.

    They are no input: other cohorts' tables may be made later, and a change there is none of this cohort's. Snakemake
    does not record a parameter that follows from the input: a new cohort is no reason to decide on the old ones again.
    """
    return expand(f"{COHORT}/slices.tsv", cohort=labelled_cohorts()) if input.decisions else []
