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


def digest_of_overruled(wildcards):
    """Digest of where a person decided otherwise than the limits, for one input view.

    Where the scores or the decisions cannot be read yet, of all decisions; the job itself then says what is wrong.
    """
    files = decision_files(wildcards)
    if not files:
        return digest([])
    # Pandas, which other runs need not load to be parsed.
    from lungsight.qc.kept import overruled
    from lungsight.tables import read_table

    try:
        scores = read_table(Path(f"{RESULTS}/qc/{wildcards.cohort}/scores.tsv"), schema="scores")
        return digest(overruled(scores, QC_RULES, [Path(file) for file in files], wildcards.input_view))
    except (OSError, ValueError, UserError):
        return digest_of_files(files)


def page_to_decide_on(wildcards):
    """The page, where a person must review and has not begun; a page made anew is no reason to decide again."""
    begun = REVIEW != "required" or decision_files(wildcards)
    return [] if begun else f"{RESULTS}/qc/{wildcards.cohort}/index.html"


def slices_decided_on(wildcards):
    """Tables of the slices that a decision may name, those of any cohort.

    They are no input: other cohorts' tables may be made later, and a change there is none of this cohort's.
    """
    return expand(f"{COHORT}/slices.tsv", cohort=labelled_cohorts()) if decision_files(wildcards) else []
