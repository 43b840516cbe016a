"""Which rules an edit runs again: a table of edits, each on a finished run of two pipelines.

No program runs: all outputs are empty files, and what Snakemake recorded of them is real.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmarks.scale import Scale, Size
from lungsight.tables import write_table

SIZE = Size(
    **{"annotated": 4, "annotated_slices": 12, "positive": 6, "positive_images": 12, "negative": 6},
    **{"negative_images": 6, "scans": 8, "scan_slices": 40},
)
CONVERSION = {"convert", "convert_annotated"}
LUNGS = {"nnunet_prepare", "nnunet_train", "segment_shard"}
TRAINING = {"train_stage", "infer_cohort", "leakage_training"}
MAPS = {"explain_stage", "audit_stage"}
DEAR = CONVERSION | LUNGS | TRAINING | MAPS | {"image_cache"}


class Project(Scale):
    """A project folder, and the copy of the workflow in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.workflow = folder / "workflow-copy"
        self.config = yaml.safe_load(self.config_path.read_text(encoding="utf-8"))

    def edit(self, **sections: object) -> None:
        """Change the config; a section with a dict keeps its other keys."""
        merged = {
            name: self.config.get(name, {}) | value if isinstance(value, dict) else value
            for name, value in sections.items()
        }
        self.write_config(self.config | merged)

    def edit_table(self, cohort: str, change: Callable[[list[str]], list[str]]) -> None:
        """Change the lines of a cohort's table, the header first."""
        path = self.folder / f"{cohort}.tsv"
        path.write_text("\n".join(change(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")

    def scan(self, name: str) -> Path:
        return self.folder / "data" / name


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reruns") / "project"
    folder.mkdir()
    scale = Scale(folder, SIZE)
    scale.config["pipelines"] = {
        **{"frameworks": ["whole", "segmented"], "backbones": ["resnet50"]},
        "weights": ["scratch", "imagenet"],
    }
    scale.config["leakage"] = {"pipelines": ["whole-resnet50-scratch"]}
    for name in ("curated", "hospital"):
        scale.config["cohorts"][name]["shards"] = 2
    scale.write_config(scale.config)
    scale.snakemake("--cores", "2", "all", snakefile="stand_in.smk")
    assert scale.jobs() == {}
    return folder


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Project:
    """The finished project with all its times, to be edited."""
    return Project(Path(shutil.copytree(finished, tmp_path / "project")))


def sorted_backwards(project: Project) -> None:
    project.edit_table("hospital", lambda lines: [lines[0], *reversed(lines[1:])])


def written_by_excel(project: Project) -> None:
    path = project.folder / "hospital.tsv"
    text = path.read_text(encoding="utf-8").replace("\t", ";").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())


def with_a_column_of_comments(project: Project) -> None:
    project.edit_table("hospital", lambda lines: [lines[0] + "\tcomment", *(line + "\tseen" for line in lines[1:])])


def with_another_label(project: Project) -> None:
    project.edit_table("hospital", lambda lines: [*lines[:-1], lines[-1].replace("Non Covid", "Covid-19")])


def with_another_patient(project: Project) -> None:
    project.edit_table("hospital", lambda lines: [*lines[:-1], lines[-1].replace("H008", "H009")])


def with_a_skipped_row(project: Project) -> None:
    project.edit_table(
        "hospital", lambda lines: [lines[0] + "\tskip", *(f"{line}\t" for line in lines[1:-1]), lines[-1] + "\tcap"]
    )


def with_ages(project: Project) -> None:
    project.edit_table("hospital", lambda lines: [lines[0] + "\tage", *(f"{line}\t57" for line in lines[1:])])


def with_a_lung_mask(project: Project) -> None:
    project.scan("hospital/lungs.nii.gz").touch()
    project.edit_table(
        "hospital",
        lambda lines: [lines[0] + "\tlungs", *(f"{line}\t" for line in lines[1:-1]), lines[-1] + "\tlungs.nii.gz"],
    )


def with_a_class_more(project: Project) -> None:
    """Three patients of the hospital turn out to be of a class of its own."""
    project.edit_table(
        "hospital", lambda lines: [*lines[:-3], *(line.rpartition("\t")[0] + "\tcap" for line in lines[-3:])]
    )
    project.edit(labels=LABELS | {"CAP": ["cap"]})


def with_a_new_scan(project: Project) -> None:
    shutil.copytree(project.scan("hospital/scan-001"), project.scan("hospital/scan-009"))
    project.edit_table("hospital", lambda lines: [*lines, "H009\tscan-009\tNon Covid"])


def with_an_external_cohort(project: Project) -> None:
    shutil.copytree(project.scan("hospital"), project.scan("other"))
    shutil.copy(project.folder / "hospital.tsv", project.folder / "other.tsv")
    other = project.config["cohorts"]["hospital"] | {"role": "external", "root": "data/other", "table": "other.tsv"}
    project.edit(cohorts={"other": other, **project.config["cohorts"]})


def with_the_source_that_is_the_default(project: Project) -> None:
    project.edit_table("hospital", lambda lines: [lines[0] + "\tsource", *(f"{line}\thospital" for line in lines[1:])])


def with_a_study_file(project: Project) -> None:
    (project.folder / "study.yaml").write_text("title: Lungs\n", encoding="utf-8")
    project.edit(study="study.yaml")


def with_the_data_elsewhere(project: Project) -> None:
    (project.folder / "data").rename(project.folder / "archive")
    cohorts = {name: cohort | {"root": f"archive/{name}"} for name, cohort in project.config["cohorts"].items()}
    project.edit(cohorts=cohorts)


def with_the_tables_elsewhere(project: Project) -> None:
    (project.folder / "tables").mkdir()
    for name in project.config["cohorts"]:
        (project.folder / f"{name}.tsv").rename(project.folder / f"tables/{name}.tsv")
    cohorts = {name: cohort | {"table": f"tables/{name}.tsv"} for name, cohort in project.config["cohorts"].items()}
    project.edit(cohorts=cohorts)


def with_lungsight_elsewhere(project: Project) -> None:
    (project.folder / "tools/deep").mkdir(parents=True)
    project.workflow = project.workflow.rename(project.folder / "tools/deep/lungsight")


def moved_deeper(project: Project) -> None:
    new = project.folder.parent / "a/b c/project"
    new.parent.mkdir(parents=True)
    project.folder.rename(new)
    project.__init__(new)


def copied(project: Project) -> None:
    """As cp -r: every file has the time of copying, in the order in which the folders list them."""
    new = project.folder.parent / "copy"
    shutil.copytree(project.folder, new, copy_function=shutil.copyfile)
    for number, path in enumerate(sorted(new.rglob("*"), reverse=True), start=1):
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    shutil.rmtree(project.folder)
    project.__init__(new)


def overwritten(name: str) -> Callable[[Project], None]:
    return lambda project: project.scan(name).write_bytes(b"another slice") and None


def removed(name: str) -> Callable[[Project], None]:
    return lambda project: project.scan(name).unlink()


def touched(name: str) -> Callable[[Project], None]:
    return lambda project: project.scan(name).touch()


def setting(**sections: object) -> Callable[[Project], None]:
    return lambda project: project.edit(**sections)


def cohort_setting(cohort: str, **settings: object) -> Callable[[Project], None]:
    def edit(project: Project) -> None:
        cohorts = project.config["cohorts"]
        project.edit(cohorts={cohort: cohorts[cohort] | settings})

    return edit


LABELS = {"Covid-19": ["covid", "c19"], "Non Covid": ["normal", "healthy", "none"]}
SCAN, PICTURE, CONTOURS = "hospital/scan-003/0001.dcm", "curated/NonCovid/00003_000.png", "nsclc/LUNG1-002/RTSTRUCT.dcm"
ONE_SHARD = {"convert": 1, "gather_cohort": 1, "segment_shard": 1, "image_cache": 1, "image_index": 1}

# What an edit must run again (how many jobs, or at least one), and what it must not; None: nothing at all runs.
EDITS = {
    "nothing": (lambda project: None, {}, None),
    "a synonym in labels": (setting(labels=LABELS), {}, None),
    "a table sorted otherwise": (sorted_backwards, {"gather_cohort"}, CONVERSION | LUNGS | {"image_cache"}),
    "a table as a spreadsheet writes it": (written_by_excel, {}, None),
    "a column that nothing reads": (with_a_column_of_comments, {}, None),
    "a corrected label": (
        with_another_label,
        {"gather_cohort": 1, "make_split": 2, "train_stage": 4, "gather_forensics": 1, "forensics_table": 1},
        CONVERSION | LUNGS | {"measure_forensics", "image_cache"},
    ),
    # The networks get another head, and the hospital another split. Scans and masks stay, as with a corrected label.
    "a class more": (
        with_a_class_more,
        {
            "gather_cohort": 1,
            "train_stage": 8,
            "explain_stage": 8,
            "audit_stage": 8,
            "pairs_table": 1,
            "class_curves": 1,
        },
        CONVERSION | LUNGS | {"measure_forensics"},
    ),
    "a corrected patient": (with_another_patient, {"gather_cohort": 1, "make_split": 2}, CONVERSION | LUNGS),
    "spellings of ids that nobody uses": (setting(patient_ids="exact"), set(), DEAR | {"gather_cohort", "make_split"}),
    "a row left out": (with_a_skipped_row, ONE_SHARD, {"convert_annotated", "nnunet_train"}),
    "a new scan": (with_a_new_scan, ONE_SHARD, {"convert_annotated", "nnunet_train"}),
    "a slice overwritten": (overwritten(SCAN), ONE_SHARD, {"convert_annotated", "nnunet_train"}),
    "a slice removed": (removed(SCAN), ONE_SHARD, {"convert_annotated", "nnunet_train"}),
    "a slice written again": (touched(SCAN), ONE_SHARD, {"convert_annotated", "nnunet_train"}),
    "a slice added": (overwritten("hospital/scan-003/9999.dcm"), ONE_SHARD, {"convert_annotated", "nnunet_train"}),
    "a picture overwritten": (
        overwritten(PICTURE),
        ONE_SHARD | {"measure_forensics": 1},
        {"convert_annotated", "nnunet_train"},
    ),
    "ages": (with_ages, {"people_table": 1, "evaluate_subgroups": 1}, DEAR | {"gather_cohort", "make_split"}),
    "a lung mask of the user's": (
        with_a_lung_mask,
        {"take_lungs": 1, "segment_shard": 1, "lungs_table": 1, "write_report": 1},
        CONVERSION | {"gather_cohort", "nnunet_train", "measure_forensics"},
    ),
    "contours overwritten": (overwritten(CONTOURS), {"convert_annotated": 1, "nnunet_train": 1}, {"convert"}),
    "data moved": (with_the_data_elsewhere, {}, None),
    "tables moved": (with_the_tables_elsewhere, {}, None),
    "lungsight moved": (with_lungsight_elsewhere, {}, None),
    "the project moved": (moved_deeper, {}, None),
    "the project copied": (copied, {}, None),
    "the title": (
        setting(report={"title": "Another"}),
        {"write_report", "model_cards"},
        DEAR | {"evaluate_model", "make_split"},
    ),
    "resamples of intervals": (
        setting(report={"bootstrap": 77}),
        {
            **{"evaluate_model": 8, "summarise_maps": 8, "audit_intervals": 8, "metadata_classifier": 4},
            **dict.fromkeys(("metrics_table", "saliency_table", "audit_tables", "rank_pipelines", "write_report"), 1),
            "class_tables": 1,
        },
        DEAR | {"make_split", "draw_overlays"},
    ),
    "the licence of what is published": (
        setting(package={"licence": "CC BY 4.0"}),
        {"model_cards": 1},
        DEAR | {"evaluate_model", "write_report"},
    ),
    "what else a package holds": (setting(package={"images": True, "authors": ["A. Author"]}), {}, None),
    "pictures of maps": (
        setting(explain={"overlays": 2}),
        {"draw_overlays": 8, "summarise_maps": 8, "write_report": 1},
        DEAR | {"audit_intervals", "evaluate_model"},
    ),
    "the margin of the lung that maps are measured with": (
        setting(explain={"margin_mm": 3}),
        {"explain_stage": 8, "summarise_maps": 8, "draw_overlays": 8},
        TRAINING | {"audit_stage", "audit_intervals"},
    ),
    "threads": (
        setting(training={"threads": 1}, explain={"threads": 1}, segmentation={"threads": 1}),
        {"run_settings": 1},
        DEAR | {"write_report"},
    ),
    "epochs of stage 2": (
        setting(training={"epochs": {"stage1": 50, "stage2": 7}}),
        {"train_stage": 4},
        CONVERSION | LUNGS | {"image_cache", "make_split"},
    ),
    "slices that other methods explain": (
        setting(explain={"sample": 3}),
        {"explain_stage": 8},
        TRAINING | {"audit_stage"},
    ),
    "slices of sanity checks": (
        setting(audit={"sample": 3}),
        {"audit_stage": 8, "audit_intervals": 8},
        TRAINING | {"explain_stage", "summarise_maps", "draw_overlays"},
    ),
    "a rule of qc": (
        setting(qc={"rules": {"min_lung_fraction": 0.07}}),
        {"qc_manifest": 2, "kept_slices": 4, "make_split": 4, "explain_stage": 8, "audit_stage": 8},
        CONVERSION | LUNGS | {"qc_scores", "image_cache"},
    ),
    "the window": (setting(intake={"window": [-1000, 400]}), {"convert": 4, "convert_annotated": 1}, set()),
    "fewer slices allowed": (cohort_setting("hospital", min_slices=2), {"convert": 2}, {"convert_annotated"}),
    "fractions of the split": (
        setting(splits={"fractions": [0.6, 0.2, 0.2]}),
        {"make_split": 4, "train_stage": 8},
        CONVERSION | LUNGS | {"image_cache"},
    ),
    "one replicate, one split and one experiment, as by default": (
        setting(training={"replicates": 1}, splits={"repeats": False}, leakage={"repeats": 1}),
        {},
        None,
    ),
    # The run's own models stay: four pipelines in two stages are trained twice more.
    "three replicates": (
        setting(training={"replicates": 3}),
        {"train_stage": 16, "evaluate_model": 16, "replicate_maps": 8, "replicates_table": 1, "audit_tables": 1},
        CONVERSION | LUNGS | MAPS | {"image_cache", "make_split", "leakage_training", "audit_intervals"},
    ),
    "official lists, off as by default": (setting(splits={"official": False}), {}, None),
    "official lists of a cohort that has none": (cohort_setting("curated", official_split=False), {}, None),
    "one framework less": (
        setting(pipelines={"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch", "imagenet"]}),
        {"write_report"},
        DEAR | {"make_split", "evaluate_model"},
    ),
    "a study file": (
        with_a_study_file,
        {"risk_table": 1, "checklists_table": 1},
        DEAR | {"write_report", "power_table"},
    ),
    "assumptions of power": (
        setting(power={"intraclass_correlation": 0.3}),
        {"power_table": 1, "checklists_table": 1},
        DEAR | {"make_split", "evaluate_model", "write_report"},
    ),
    "another external cohort": (with_an_external_cohort, {"convert"}, LUNGS - {"segment_shard"} | {"train_stage"}),
    "a source that is the default": (with_the_source_that_is_the_default, set(), DEAR | {"gather_cohort"}),
    "what a file browser leaves": (overwritten("hospital/scan-003/.DS_Store"), {}, None),
    "one backbone more": (
        setting(
            pipelines={"frameworks": ["whole"], "backbones": ["resnet50", "vgg16"], "weights": ["scratch", "imagenet"]}
        ),
        {"train_stage": 4, "explain_stage": 4},
        CONVERSION | LUNGS | {"make_split", "image_cache"},
    ),
    "epochs of the lung network": (
        setting(segmentation={"epochs": 3}),
        {"nnunet_train": 1},
        CONVERSION | {"nnunet_prepare"},
    ),
    "what it costs to take one class for the other": (
        setting(evaluation={"costs": [[0, 2], [1, 0]]}),
        {"class_tables": 1},
        DEAR | {"evaluate_model", "performance_differences", "evaluate_subgroups", "write_report"},
    ),
    "slices made alike": (
        setting(intake={"harmonise": {"noise": True}}),
        {"convert": 4, "measure_forensics": 4, "image_cache": 4},
        {"convert_annotated", "nnunet_prepare", "nnunet_train"},
    ),
    "the distance of near duplicates": (setting(intake={"duplicate_distance": 3}), {"find_duplicates": 1}, DEAR),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_runs_what_it_changes_and_nothing_else(project: Project, edit: str) -> None:
    apply, wanted, unwanted = EDITS[edit]
    apply(project)
    jobs = project.jobs()
    if unwanted is None:
        assert jobs == {}
        return
    counts = wanted if isinstance(wanted, dict) else {}
    assert {rule: jobs.get(rule, 0) for rule in counts} == counts
    assert set(wanted) <= set(jobs)
    assert unwanted & set(jobs) == set()


def test_a_trace_that_is_measured_otherwise_trains_nothing(project: Project) -> None:
    noise = project.workflow / "workflow/scripts/lungsight/intake/forensics/noise.py"
    text = noise.read_text(encoding="utf-8")
    noise.write_text(text.replace("_GAIN = 6.0", "_GAIN = 7.0"), encoding="utf-8")
    jobs = project.jobs()
    measured = {"measure_forensics", "gather_forensics", "forensics_table", "intake_page", "write_report"}
    assert measured <= set(jobs) and jobs["measure_forensics"] == 4
    assert not (DEAR | {"gather_cohort", "find_duplicates", "make_split", "evaluate_model"}) & set(jobs)


@pytest.mark.parametrize("triggers", [["mtime"], ["code", "input", "mtime"], ["params", "input", "code"]])
def test_triggers_that_would_miss_a_change_are_refused(project: Project, triggers: list[str]) -> None:
    with_another_label(project)
    done = project.snakemake("--cores", "1", "--rerun-triggers", *triggers, "--", "all")
    assert done.returncode == 1 and "error: --rerun-triggers leaves out" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_slice_overwritten_in_a_copy_is_seen(project: Project) -> None:
    copied(project)
    assert project.jobs() == {}
    scan = project.scan(SCAN)
    size = scan.stat().st_size
    scan.write_bytes(b"x" * size)
    assert project.jobs()["convert"] == 1


@pytest.mark.parametrize("how", ["renamed", "forgotten"])
def test_a_run_whose_origin_is_not_known_is_refused(project: Project, how: str) -> None:
    """Snakemake knows outputs by their paths; it would compare times alone, and keep a corrected label's results."""
    if how == "renamed":
        for name in ("thesis", "thesis.private"):
            (project.folder / "results" / name).rename(project.folder / "results" / name.replace("thesis", "yours"))
        project.edit(results="results/yours")
    else:
        shutil.rmtree(project.folder / ".snakemake")
    with_another_label(project)
    done = project.snakemake("-n", "--", "all")
    assert done.returncode == 1 and "was made from is not known here" in done.stdout, done.stdout
    assert "Traceback" not in done.stdout
    assert project.snakemake("-n", "--forceall", "--", "all").returncode == 0


def test_a_second_study_does_not_replace_the_first(project: Project) -> None:
    config = project.config | {"seed": 5}
    other = project.folder / "other.yaml"
    other.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = project.snakemake("-n", "--configfile", str(other), "--", "all")
    assert done.returncode == 1
    assert (
        "results/thesis holds the run of another config (config.yaml), which this one (other.yaml) would" in done.stdout
    )
    assert "Traceback" not in done.stdout
    project.edit(seed=5)
    assert project.jobs()["train_stage"] == 8, "an edit of the same config goes on with the run"


def test_rules_of_qc_and_decisions_count_where_a_person_reviews(project: Project) -> None:
    reviews = project.folder / "reviews"
    reviews.mkdir()
    (reviews / "mine.tsv").write_text("slice\twhole_keep\n", encoding="utf-8")
    project.edit(qc={"review": "required", "decisions": "reviews"})
    project.snakemake("--cores", "2", "all", snakefile="stand_in.smk")
    assert project.jobs() == {}
    (reviews / "mine.tsv").rename(reviews / "signed.tsv")
    assert project.jobs() == {}
    (reviews / "second.tsv").write_text("slice\twhole_keep\tsegmented_keep\n", encoding="utf-8")
    assert project.jobs()["qc_manifest"] == 2
    (reviews / "second.tsv").unlink()
    project.edit(qc={"review": "required", "decisions": "reviews", "rules": {"min_lung_fraction": 0.07}})
    jobs = project.jobs()
    assert (jobs["qc_manifest"], jobs["qc_page"], jobs["make_split"]) == (2, 2, 4)
    page = project.workflow / "workflow/scripts/lungsight/qc/page.css"
    page.write_text(page.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    project.edit(qc={"review": "required", "decisions": "reviews", "rules": {}})
    jobs = project.jobs()
    assert jobs["qc_page"] == 2 and not (DEAR | {"qc_manifest", "make_split"}) & set(jobs)


def scores_of(names: list[str]) -> pd.DataFrame:
    """Scores of slices with good masks, but for the last, in which no lung is visible."""
    good = {"components": 2, "largest_share": 0.5, "border_contact": 0.0, "solidity": 0.95, "holes": 0.0}
    good |= {"mean_intensity": 0.25, "soft_fraction": 0.02, "neighbour_dice": 0.9, "air_fraction": 0.2}
    good |= {"missed_air": 0.0, "classical_dice": 0.95, "classical_kept": 0.95, "gas_fraction": 0.0}
    good |= {"cut_out": 0}
    lung = [0.2] * (len(names) - 1) + [0.0]
    return pd.DataFrame({"slice": names, "lung_fraction": lung} | good).assign(
        air_fraction=[0.2] * (len(names) - 1) + [0.0]
    )


def test_a_decision_on_masks_runs_the_audit_again_and_trains_on_no_whole_slice(project: Project) -> None:
    """Decisions that agree with the limits, or concern masks alone, leave whole slices alone."""
    names = [f"{'ab' * 8}-{k:04d}" for k in range(4)]
    for cohort in ("curated", "hospital"):
        path = project.folder / f"results/thesis/qc/{cohort}/scores.tsv"
        before = path.stat()
        write_table(path, scores_of(names), schema="scores")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    reviews = project.folder / "reviews"
    reviews.mkdir()
    project.edit(qc={"decisions": "reviews"})
    assert not {"kept_slices", "make_split", "train_stage"} & set(project.jobs())
    header = "slice\twhole_keep\tsegmented_keep\treason\treviewer\ttime\n"
    decided = reviews / "mine.tsv"
    time = "2021-03-05T14:30:00Z"
    decided.write_text(f"{header}{names[0]}\t1\t1\t\tab\t{time}\n{names[1]}\t1\t0\tx\tab\t{time}\n", encoding="utf-8")
    jobs = project.jobs()
    wanted = {"qc_manifest": 2, "kept_slices": 2, "make_split": 2, "selection_table": 1, "metadata_classifier": 4}
    wanted |= {"explain_stage": 8, "audit_stage": 8, "audit_tables": 1, "write_report": 1, "train_stage": 4}
    assert {rule: jobs.get(rule, 0) for rule in wanted} == wanted
    assert not (CONVERSION | LUNGS | {"image_cache", "qc_scores", "leakage_training"}) & set(jobs)
    # What a person sees where the limits saw no lung changes the whole slices as well.
    with decided.open("a", encoding="utf-8") as table:
        table.write(f"{names[3]}\t1\t0\tx\tab\t{time}\n")
    jobs = project.jobs()
    assert (jobs["kept_slices"], jobs["make_split"], jobs["train_stage"]) == (4, 4, 8)
