"""Input functions and settings of the rules of qc. No rules here."""


def decision_files(wildcards):
    """The person's decisions that a cohort's manifest is made from."""
    if not DECISIONS:
        return []
    tables = {cohort: f"{RESULTS}/cohorts/{cohort}/cases.tsv" for cohort in labelled_cohorts()}
    cases = {cohort: known_cases(cohort, table, KEY, ROWS[cohort]) for cohort, table in tables.items()}
    return files_of_cohort(DECISIONS, wildcards.cohort, cases)


def digest_of_decisions(wildcards):
    """Digest of what the person decided, whatever the files are called."""
    return digest_of_files(decision_files(wildcards))


def page_to_decide_on(wildcards):
    """The page, where a person must review and has not begun; a page made anew is no reason to decide again."""
    begun = REVIEW != "required" or decision_files(wildcards)
    return [] if begun else f"{RESULTS}/qc/{wildcards.cohort}/index.html"


def slices_decided_on(wildcards):
    """Tables of the slices that a decision may name, those of any cohort.

    They are no input: other cohorts' tables may be made later, and a change there is none of this cohort's.
    """
    return expand(f"{COHORT}/slices.tsv", cohort=labelled_cohorts()) if decision_files(wildcards) else []
