"""Decide which files of a run are published, and list what a run lacks before it can be.

Tables, model cards and settings are published. Pixels, masks, maps, weights and logs are not. The pages of the report
show slices of patients; they are published only where the config says so. Nothing outside the run's folder is.

Standard library and the run's description alone: the workflow asks for both when it is parsed.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from lungsight.layout import MAKING, PEOPLE, SANITY, SHORTCUTS
from lungsight.run_description import (
    RunDescription,
    cohorts_of,
    labelled_cohorts_of,
    models_of,
    page_inputs,
)
from lungsight.training.pipelines import ROLE_OF_STAGE

MODEL_CARD = "model_card.md"
# Patterns of what is published, relative to the results folder. {cohort}, {model} and {ensemble} are of this run, not
# of an earlier one.
PUBLISHED = (
    "run.json",
    *(f"cohorts/{{cohort}}/{name}.tsv" for name in ("cases", "slices", "forensics", "people")),
    "cohorts/duplicates.tsv",
    "segmentation/*.tsv",
    "qc/{cohort}/manifest.tsv",
    "splits/{cohort}/*.tsv",
    *(f"models/{{model}}/{name}" for name in ("history.tsv", "metrics.json", "provenance.json", MODEL_CARD)),
    "models/{model}/predictions/*.tsv",
    *(f"explain/{{model}}/*.{ending}" for ending in ("tsv", "json")),
    "explain/metadata/{cohort}/*.tsv",
    "ensembles/{ensemble}/stage*/predictions/*.tsv",
    "leakage_inflation/*.tsv",
    "report/*.tsv",
)
# Tables of a report that not every run makes: one that the page does not ask for is of an earlier config.
OF_SOME_RUNS = ("lungs", "ensembles", "replicates", "leakage_repeats", "class_curves", "renormalised", "pairs")
SCHEMAS = Path(__file__).resolve().parents[3] / "schemas"
OWN_RULES = ("package", "write_package", "model_cards")
PAGES = ("report/*.html",)  # they hold pictures of patients


def published_files(results: Path, run: RunDescription, images: bool) -> list[str]:
    """List the files of a run that are published, relative to its folder, sorted.

    Parameters
    ----------
    results
        The run's folder.
    run
        Its description. Files of cohorts and pipelines that it does not name are of an earlier config, and stay out.
    images
        Whether the pages of the report, which show slices, are published.
    """
    models = [f"{name}/stage{stage}" for name, stage in models_of(run)]
    models += [f"{name}/stage2-target-only" for name in dict.fromkeys(name for name, _ in models_of(run))]
    found: set[str] = set()
    for pattern in (*PUBLISHED, *(PAGES if images else ())):
        for filled in _filled(pattern, {"cohort": cohorts_of(run), "model": models, "ensemble": run["ensembles"]}):
            found |= {path.relative_to(results).as_posix() for path in results.glob(filled) if path.is_file()}
    return sorted(name for name in found if _is_of_a_run(PurePosixPath(name), run))


def _is_of_a_run(name: PurePosixPath, run: RunDescription) -> bool:
    """Tell what a run made from what a person, a system or an earlier config left beside it: it may name patients."""
    if name.name.startswith("."):
        return False
    if name.parent.name == "predictions":
        return name.stem in cohorts_of(run)
    if name.name == PEOPLE:
        return name.parent.name in run["people"]
    if name.parent.name == "report" and name.stem in OF_SOME_RUNS:
        return str(name) in page_inputs(run)
    if name.parent.name == "report" and name.suffix == ".tsv":
        return (SCHEMAS / f"{name.stem}.table.yaml").is_file()
    return True


def _filled(pattern: str, names: Mapping[str, Iterable[str]]) -> list[str]:
    """Put each name of a kind in the place that a pattern has for it."""
    kinds = [kind for kind in names if f"{{{kind}}}" in pattern]
    return [pattern.format(**{kind: name}) for kind in kinds for name in names[kind]] or ([] if kinds else [pattern])


def _required(run: RunDescription) -> Iterator[str]:
    """Yield what a finished run has, apart from what the page is made of."""
    yield from ("run.json", "report/index.html", "report/intake.html", "report/intake.tsv")
    roles = {cohort["name"]: cohort["role"] for cohort in run["cohorts"]}
    for name, stage in models_of(run):
        folder = f"models/{name}/stage{stage}"
        yield from (f"{folder}/model.keras", f"{folder}/metrics.json")
        kept = {ROLE_OF_STAGE[2], "external", *([ROLE_OF_STAGE[1]] if stage == 1 else [])}
        evaluated = [cohort for cohort in labelled_cohorts_of(run) if roles[cohort] in kept]
        yield from (f"{folder}/predictions/{cohort}.tsv" for cohort in evaluated)
        of_ensembles = [f"ensembles/{each}/stage{stage}" for each in run["ensembles"]]
        yield from (f"{each}/predictions/{cohort}.tsv" for each in of_ensembles for cohort in evaluated)
        yield from (f"explain/{name}/stage{stage}/{table}" for table in ("saliency.tsv", SHORTCUTS, SANITY, MAKING))


def required_files(run: RunDescription) -> list[str]:
    """List the files and folders that a finished run has, relative to its folder. Model cards are not among them."""
    return list(dict.fromkeys([*page_inputs(run), *_required(run)]))


def missing_files(results: Path, run: RunDescription) -> list[str]:
    """List what a run lacks of `required_files`."""
    return [name for name in required_files(run) if not (results / name).exists()]


def refusal(results: str, missing: list[str], most: int = 12) -> str:
    """Say why a run cannot be published: what is missing, and what makes it."""
    shown = [f"  {name}" for name in missing[:most]]
    more = [f"  … and {len(missing) - most} more"] if len(missing) > most else []
    return "\n".join(
        [
            f"{results} is not finished, so there is nothing to publish yet. A package is never made of half a run."
            f" Missing in {results}: {len(missing)}.",
            *shown,
            *more,
            "Finish the run first (snakemake all, with the same --configfile), then ask for the package again.",
        ]
    )


def stale(rules: Iterable[str], most: int = 12) -> list[str]:
    """List the rules, at most so many, that a package of a finished run does not run; `rules` are to run now.

    A rule may have the prefix of another workflow.
    """
    return sorted({rule for rule in rules if not rule.endswith(OWN_RULES)})[:most]


def refusal_of_stale(results: str, rules: Iterable[str]) -> str:
    """Say why a run cannot be published whose files are older than its settings."""
    return (
        f"{results} is not up to date with its config, its tables or its scans, so there is nothing to publish yet. A"
        f" package starts nothing dear. To run again: {', '.join(rules)}. Run snakemake all first, with the same"
        " --configfile, then ask for the package again."
    )


def card_files(run: RunDescription) -> list[str]:
    """List the model cards of a run, relative to its folder."""
    return [f"models/{name}/stage{stage}/{MODEL_CARD}" for name, stage in models_of(run)]
