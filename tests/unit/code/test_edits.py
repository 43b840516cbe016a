"""Edits of the real code: which programs' digests they change, and which they must leave."""

import gc
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from lungsight.code import Code, Library, Walk, digest_of_walk, library
from lungsight.training import backbones
from tests.factories.workspace import ROOT

SCRIPTS = ROOT / "workflow" / "scripts"
PROGRAMS = sorted(path.stem for path in SCRIPTS.glob("*.py"))
LIBRARY = "scripts/lungsight"
NOTHING: set[str] = set()
TRAINING = {"train_stage", "leakage_training"}
INTAKE = {"convert", "convert_annotated"}

# file, text, what it becomes
IN_WORDS_ALONE = {
    "a message of the config": (f"{LIBRARY}/config_sentences.py", "must be given.", "is missing."),
    "a message about a split": (f"{LIBRARY}/splits/checks.py", "no slice is left after QC.", "QC left nothing."),
    "a message of every table": (f"{LIBRARY}/tables.py", "is missing; expected", "is not there; expected"),
    "a message of training": (f"{LIBRARY}/training/weights.py", "is not the expected file", "is another file"),
    "a log line of progress": (f"{LIBRARY}/program.py", "s to go", "seconds to go"),
    "how often progress is shown": (f"{LIBRARY}/program.py", "every: float = 10.0", "every: float = 5.0"),
    "how a log line is written": (f"{LIBRARY}/program.py", "file=sys.stderr, flush=True", "file=sys.stderr"),
    "how a program ends": (f"{LIBRARY}/program.py", "No half-written file was left", "No file is half-written"),
    "what is scrubbed": (f"{LIBRARY}/privacy.py", '"[path]"', '"[file]"'),
    "a log line of a training": (f"{LIBRARY}/training/checkpoints.py", "Going on after epoch", "Continuing after"),
    "the line of an epoch": (f"{LIBRARY}/training/fit.py", "validation {row", "val {row"),
    "what a loop counts": (f"{LIBRARY}/training/fit.py", 'f"steps of epoch {epoch}"', 'f"steps in epoch {epoch}"'),
    "a help text": ("scripts/train_stage.py", "digest of the code, for the provenance", "the code"),
    "a program's docstring": ("scripts/convert.py", "Make windowed volumes", "Makes windowed volumes"),
    "a module's docstring": (f"{LIBRARY}/tables.py", "Tables between programs", "Tables"),
    "a function's docstring": (f"{LIBRARY}/files.py", '"""Write UTF-8 text atomically."""', '"""Write a text."""'),
    "a comment": (f"{LIBRARY}/training/fit.py", "\ndef in_words", "\n# A line of the log.\ndef in_words"),
    "an annotation": (f"{LIBRARY}/files.py", "def sha256_of(path: Path)", "def sha256_of(path: str)"),
    "a helper for the workflow's parser": (f"{LIBRARY}/intake/shards.py", "1 << (wanted", "2 << (wanted"),
    "a check of the config": (f"{LIBRARY}/intake/settings.py", "if low < high", "if low <= high"),
    "what a run says when it ends": (f"{LIBRARY}/run_summary.py", "MOST_RULES = 12", "MOST_RULES = 20"),
    "the version": (f"{LIBRARY}/__init__.py", '__version__ = "', '__version__ = "9.'),
    "what a published model sets, which programs have as an argument": (
        *(f"{LIBRARY}/training/published_models/turkoglu2021.py", '"closed_form"', '"gradient"'),
    ),
    "the description of a column": ("schemas/slices.table.yaml", "of the 8-bit pixels", "of its pixels"),
}

# file, text, what it becomes, programs that it must change, programs that it must leave
IN_NUMBERS = {
    "a constant of a metric": (
        *(f"{LIBRARY}/evaluation/metrics.py", "\nTHRESHOLD = 0.5", "\nTHRESHOLD = 0.6"),
        *({"evaluate_model"}, INTAKE | TRAINING | {"infer_cohort", "make_split", "qc_scores"}),
    ),
    "a formula of a loss": (
        *(f"{LIBRARY}/training/losses.py", "(1.0 - smoothing)", "(1.0 + smoothing)"),
        *(TRAINING, INTAKE | {"infer_cohort", "evaluate_model", "explain_stage", "image_cache"}),
    ),
    "an entry of the losses": (
        *(f"{LIBRARY}/training/losses.py", "weighted(settings, (1.0, 1.0))", "weighted(settings, (1.0, 2.0))"),
        *(TRAINING, INTAKE | {"infer_cohort", "evaluate_model"}),
    ),
    "an entry of the solvers": (
        *(f"{LIBRARY}/training/solvers.py", '"gradient": fit', '"gradient": solve_machines'),
        *(TRAINING, {"infer_cohort", "evaluate_model"}),
    ),
    "the level of intervals": (
        *(f"{LIBRARY}/evaluation/intervals.py", "LEVEL = 0.95", "LEVEL = 0.9"),
        *(
            {"evaluate_model", "summarise_maps", "audit_intervals", "metadata_classifier", "saliency_table"},
            TRAINING | INTAKE | {"infer_cohort", "explain_stage", "audit_stage", "draw_overlays"},
        ),
    ),
    "which slices are drawn": (
        *(f"{LIBRARY}/explain/sampling.py", "yield from (0.5, 0.0, 1.0)", "yield from (0.5, 1.0, 0.0)"),
        *({"summarise_maps", "draw_overlays"}, TRAINING | {"infer_cohort", "explain_stage", "audit_intervals"}),
    ),
    "a formula of a sanity check": (
        *(f"{LIBRARY}/audit/sanity_checks.py", "dx=1 / steps", "dx=2 / steps"),
        *({"audit_stage"}, TRAINING | {"infer_cohort", "explain_stage", "summarise_maps", "audit_intervals"}),
    ),
    "how slices become a patient's prediction": (
        *(f"{LIBRARY}/evaluation/aggregation.py", "(top_k, 3, 1, 2, 5, 10)", "(top_k, 3, 1, 2, 5)"),
        *({"evaluate_model"}, TRAINING | INTAKE | {"infer_cohort", "make_split"}),
    ),
    "the turn of an axis": (
        *(f"{LIBRARY}/intake/geometry.py", "return plane[::-1, ::-1].T", "return plane[::-1].T"),
        *(INTAKE | {"qc_scores", "image_cache"}, TRAINING | {"evaluate_model", "make_split", "infer_cohort"}),
    ),
    "a default of intake": (
        *(f"{LIBRARY}/intake/image.py", "> MAX_PIXELS", ">= MAX_PIXELS"),
        *(INTAKE, TRAINING | {"image_cache", "evaluate_model", "qc_scores"}),
    ),
    "a field's default": (
        *(f"{LIBRARY}/intake/volume.py", 'kernel: str = ""', 'kernel: str = "unknown"'),
        *(INTAKE, TRAINING | {"evaluate_model", "gather_cohort", "qc_scores"}),
    ),
    "a message that is a case's reason": (
        *(f"{LIBRARY}/intake/image.py", "the file holds several pictures", "the file has several pictures"),
        *(INTAKE, TRAINING | {"image_cache", "evaluate_model", "qc_scores", "gather_cohort"}),
    ),
    "one that is a reason of the comparison with contours, and elsewhere a log line": (
        *(f"{LIBRARY}/segmentation/volumes.py", "there is no file", "no file"),
        *({"segmentation_metrics"}, {"image_cache", "qc_scores", "segment_shard"} | TRAINING),
    ),
    "a threshold of the classical masks": (
        *(f"{LIBRARY}/segmentation/classical.py", "CLOSING_MM = 6.0", "CLOSING_MM = 5.0"),
        *({"segment_shard"}, TRAINING | INTAKE | {"evaluate_model", "image_cache"}),
    ),
    "how subsets are drawn": (
        *(f"{LIBRARY}/splits/assignment.py", "FREE = -1", "FREE = -2"),
        *({"make_split"}, TRAINING | INTAKE | {"evaluate_model"}),
    ),
    "a colour of the curve": (
        *(f"{LIBRARY}/segmentation/training_figure.py", 'GREY = "#666666"', 'GREY = "#777777"'),
        *(
            {"segmentation_figures"},
            TRAINING | INTAKE | {"segmentation_metrics", "segment_shard", "nnunet_train", "write_report"},
        ),
    ),
    "a colour of the report": (
        *(f"{LIBRARY}/report/charts.py", "#0072b2", "#0072b3"),
        *(
            {"write_report"},
            TRAINING | INTAKE | {"evaluate_model", "audit_tables", "explain_stage", "segmentation_metrics"},
        ),
    ),
    "a page's template": (
        *(f"{LIBRARY}/report/page.html.jinja", "<body>", "<body >"),
        *({"write_report"}, TRAINING | INTAKE | {"evaluate_model", "qc_page"}),
    ),
    "what several templates share": (
        *(f"{LIBRARY}/report/macros.html.jinja", "macro table", "macro table_"),
        *({"write_report", "intake_page"}, TRAINING | INTAKE | {"evaluate_model"}),
    ),
    "a type of a column": (
        *("schemas/split.table.yaml", "label: {type: string}", "label: {type: [string, 'null']}"),
        *({"make_split", *TRAINING, "infer_cohort"}, INTAKE | {"qc_scores"}),
    ),
    "an argument of a program": (
        *(
            "scripts/evaluate_model.py",
            'nargs="+", required=True, help="named',
            'nargs="*", required=True, help="named',
        ),
        *({"evaluate_model"}, set(PROGRAMS) - {"evaluate_model"}),
    ),
    "what progress hands on": (
        *(f"{LIBRARY}/program.py", "yield item", "yield items"),
        *({"convert", "qc_scores", "train_stage"}, {"evaluate_model", "make_split", "run_settings"}),
    ),
}


@pytest.fixture(scope="module", autouse=True)
def parsed_once() -> Iterator[None]:
    """Each text is parsed once, so of an edit one file; and nobody looks for garbage among what stays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "parse_module", cache(library.parse_module))
        gc.disable()
        yield
        gc.enable()


@pytest.fixture(scope="module")
def workflow(tmp_path_factory) -> Path:
    """A copy of the code and the schemas."""
    folder = tmp_path_factory.mktemp("workflow")
    for part in ("scripts", "schemas"):
        shutil.copytree(ROOT / "workflow" / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def digests(workflow: Path, **loads: list[str]) -> dict[str, str]:
    """The digest of every program of a copy, as it is now."""
    code = Code(Library(workflow / "scripts"))
    return {name: digest_of_walk(Walk(code, name, {backbones.__name__: ["small_cnn"]} | loads)) for name in PROGRAMS}


@pytest.fixture(scope="module")
def before(workflow) -> dict[str, str]:
    return digests(workflow)


def changed_by(workflow: Path, before: dict[str, str], file: str, old: str, new: str) -> set[str]:
    """The programs whose digest an edit changes; the copy is afterwards as it was."""
    path = workflow / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, f"{file} does not hold {old!r}: name what it became"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    try:
        after = digests(workflow)
    finally:
        path.write_text(text, encoding="utf-8")
    return {name for name in PROGRAMS if after[name] != before[name]}


def cases(edits: dict[str, tuple]) -> list:
    return [pytest.param(*edit, id=name) for name, edit in edits.items()]


@pytest.mark.parametrize(("file", "old", "new"), cases(IN_WORDS_ALONE))
def test_an_edit_of_words_changes_no_digest(workflow, before, file, old, new):
    assert changed_by(workflow, before, file, old, new) == NOTHING


@pytest.mark.parametrize(("file", "old", "new", "must", "must_not"), cases(IN_NUMBERS))
def test_an_edit_that_may_change_a_number_changes_the_digests_of_what_reaches_it(
    workflow, before, file, old, new, must, must_not
):
    assert (must | must_not) <= set(PROGRAMS)
    changed = changed_by(workflow, before, file, old, new)
    assert must <= changed
    assert changed & must_not == NOTHING


def test_a_backbone_counts_where_it_is_loaded(workflow):
    path = workflow / LIBRARY / "training" / "backbones" / "small_cnn.py"
    text = path.read_text(encoding="utf-8")
    edited = text.replace("FILTERS = (", "FILTERS = (8, ")
    assert edited != text
    found = {}
    for when, content in (("before", text), ("after", edited)):
        path.write_text(content, encoding="utf-8")
        found[when] = {name: digests(workflow, **{backbones.__name__: [name]}) for name in ("small_cnn", "xception")}
    path.write_text(text, encoding="utf-8")
    changed = {
        name: {program for program in PROGRAMS if found["before"][name][program] != found["after"][name][program]}
        for name in found["before"]
    }
    assert changed["small_cnn"] >= {"train_stage", "infer_cohort", "explain_stage", "audit_stage", "leakage_training"}
    assert not changed["small_cnn"] & {"evaluate_model", "convert", "make_split", "performance_differences"}
    assert changed["xception"] == NOTHING


def test_the_digest_does_not_depend_on_where_the_workflow_lies_nor_on_blank_lines(workflow, before):
    real = Code(Library(SCRIPTS))
    for name in PROGRAMS:
        assert digest_of_walk(Walk(real, name, {backbones.__name__: ["small_cnn"]})) == before[name], name
    assert changed_by(workflow, before, f"{LIBRARY}/tables.py", "\n\n\n", "\n\n\n\n\n") == NOTHING
