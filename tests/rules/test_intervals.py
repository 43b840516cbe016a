"""Intervals and the number of pictures have rules of their own: other ones train nothing and explain nothing again.

The jobs of benchmarks/scale.py stand in for the programs; what Snakemake records of them is real.
"""

import pytest

from benchmarks.scale import Scale, Size

MODELS = 2  # one pipeline, two stages
TABLES = {"saliency_table", "audit_tables", "rank_pipelines", "write_report"}
SIZE = Size(
    annotated=3,
    annotated_slices=12,
    positive=6,
    positive_images=6,
    negative=6,
    negative_images=6,
    scans=6,
    scan_slices=12,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Scale:
    """A finished run of one pipeline."""
    scale = Scale(tmp_path_factory.mktemp("intervals"), SIZE)
    pipelines = {"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch"]}
    scale.write_config(scale.config | {"pipelines": pipelines, "explain": {"overlays": 1}, "report": {"bootstrap": 50}})
    scale.finish()
    return scale


def jobs_after(scale: Scale, edit: dict) -> dict[str, int]:
    """The jobs that an edit of the config runs again; the config is afterwards as it was."""
    assert scale.jobs() == {}
    before = scale.config
    scale.write_config(before | edit)
    try:
        return scale.jobs()
    finally:
        scale.write_config(before)


def test_other_intervals_run_no_network_and_draw_nothing(finished: Scale) -> None:
    jobs = jobs_after(finished, {"report": {"bootstrap": 60}})
    assert jobs["summarise_maps"] == jobs["audit_intervals"] == jobs["evaluate_model"] == MODELS
    assert set(jobs) >= {"metadata_classifier", "performance_differences", "leakage_inflation", *TABLES}
    unchanged = {"train_stage", "infer_cohort", "explain_stage", "audit_stage", "draw_overlays", "leakage_training"}
    assert not unchanged & set(jobs)


def test_other_pictures_are_drawn_from_the_same_maps(finished: Scale) -> None:
    jobs = jobs_after(finished, {"explain": {"overlays": 2}})
    assert jobs["summarise_maps"] == jobs["draw_overlays"] == MODELS
    assert set(jobs) >= TABLES
    assert not {"train_stage", "infer_cohort", "explain_stage", "audit_stage", "audit_intervals"} & set(jobs)


def test_what_measures_the_maps_still_makes_them_again(finished: Scale) -> None:
    explained = jobs_after(finished, {"explain": {"overlays": 1, "margin_mm": 3}})
    assert explained["explain_stage"] == explained["summarise_maps"] == MODELS and "audit_stage" not in explained
    audited = jobs_after(finished, {"audit": {"steps": 5}})
    assert audited["audit_stage"] == audited["audit_intervals"] == MODELS and "explain_stage" not in audited
    assert not {"train_stage", "infer_cohort"} & (set(explained) | set(audited))
