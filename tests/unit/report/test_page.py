"""The page as a whole: one file, its sections, and runs of every length."""

import copy
import re
from pathlib import Path

import pytest

from lungsight.report import sections
from lungsight.report.cautions import phantoms
from lungsight.report.page import PARTS, render_page
from lungsight.report.results import RunResults
from lungsight.report.templates import HERE, section_template
from tests.factories.results import changed, made_results, texts

# Of more classes, seeds or remedies, or of other start weights.
IN_OTHER_RUNS = {"class_metrics", "pairs", "pretraining", "replicates", "remedies"}


def test_every_section_has_a_module_and_a_template_of_its_name() -> None:
    names = [section.name for part in PARTS for section in part.sections]
    assert len(set(names)) == len(names)
    folder = Path(sections.__file__).parent
    assert sorted(names) == sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    assert sorted(map(section_template, names)) == sorted(f"sections/{path.name}" for path in folder.glob("*.jinja"))
    for part in PARTS:
        for section in part.sections:
            assert section.values.__module__ == f"lungsight.report.sections.{section.name}"
            assert (HERE / section_template(section.name)).is_file()


def test_sections_stand_in_order_under_their_parts_and_every_link_has_a_target(page: str) -> None:
    identifiers = re.findall(r'(?<!svg) id="([a-z][a-z_-]+)"', re.sub(r"(?s)<svg.*?</svg>", "", page))
    assert len(set(identifiers)) == len(identifiers)
    assert {part.name for part in PARTS} <= set(re.findall(r'<a href="#([^"]+)"', page)) <= set(identifiers)
    assert set(re.findall(r'xlink:href="#(maps-[^"]+)"', page)) <= set(re.findall(r'<span id="([^"]+)"', page))
    names = [section.name for part in PARTS for section in part.sections]
    shown = [name for name in identifiers if name in names]
    assert shown == [name for name in names if name not in IN_OTHER_RUNS]


def test_the_page_stands_alone_and_is_small(page: str) -> None:
    assert not re.search(r"""(?:src|href)=["'](?:https?:|//|file:)""", page)
    assert set(re.findall(r'href="([^"#]+\.html)"', page)) == {"checklists.html", "risk.html"}, "they lie beside it"
    assert not re.search(r"url\((?!#)", page.partition("<body>")[0])
    assert len(page) < 15_000_000
    assert page.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]+"', page))


def test_every_metric_on_the_page_is_that_of_the_table(page: str, results: RunResults) -> None:
    for _, row in results.metrics.iterrows():
        assert f">{row['accuracy']:.2f}<br><small>{row['accuracy_lo']:.2f}–{row['accuracy_hi']:.2f}</small>" in page


def test_phantoms_and_stand_ins_are_named(page: str, results: RunResults) -> None:
    assert "All cohorts are generated phantoms, not patients." in page
    assert results.stand_in_pipelines == ["whole-resnet50-imagenet"]
    assert "whole-resnet50-imagenet started from stand-ins" in page
    assert "whole-resnet50-imagenet †" in page
    assert "whole-resnet50-scratch †" not in page


def test_a_run_on_patients_with_imagenet_is_not_called_a_phantom(results: RunResults) -> None:
    run = copy.deepcopy(results.run)
    for cohort in run["cohorts"]:
        cohort["phantom"] = False
    provenance = {
        model: entry | {"weights": {"kind": "imagenet", "sha256": "0" * 64}}
        for model, entry in results.provenance.items()
    }
    metrics = results.metrics.assign(weights_origin="imagenet")
    real = changed(results, run=run, provenance=provenance, metrics=metrics)
    rendered = render_page(real)
    assert "phantom" not in rendered.lower()
    assert "stand-in" not in rendered.lower()
    run["cohorts"][1]["phantom"] = True
    assert "open: generated phantoms" in texts(phantoms(real))


def test_markup_in_a_name_is_text(results: RunResults) -> None:
    run = copy.deepcopy(results.run)
    run["title"] = "<script>alert(1)</script>"
    cases = {name: table.assign(status="rejected", reason="<b>bold</b>") for name, table in results.cases.items()}
    rendered = render_page(changed(results, run=run, cases=cases))
    assert "<script>alert" not in rendered and "<b>bold" not in rendered
    assert "&lt;b&gt;bold" in rendered


@pytest.mark.parametrize("roles", [{"clinic": "target"}, {"lungs": "segmentation", "clinic": "target"}])
def test_a_run_without_models_has_a_page(tmp_path: Path, roles: dict[str, str]) -> None:
    page = render_page(made_results(tmp_path, roles))
    assert "No model was trained." in page
    assert 'id="performance"' not in page
    assert ('id="segmentation"' in page) == ("lungs" in roles)


def test_a_run_of_stage_one_alone_with_unknown_patients_has_a_page(tmp_path: Path) -> None:
    results = made_results(
        tmp_path,
        {"lungs": "segmentation", "open": "public"},
        pipelines={"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
        **{"explain": {"overlays": 0}, "report": {"bootstrap": 0}},
    )
    run = copy.deepcopy(results.run)
    run["cohorts"][1]["patients_known"] = False
    page = render_page(changed(results, run=run, leakage=results.leakage.assign(patients_known=0)))
    page = re.sub("</?abbr[^>]*>", "", page)
    assert "leakage cannot be excluded" in page
    assert "nothing was adapted" in page
    assert "no interval of the AUC could be computed for whole-small_cnn-scratch" in page
    assert "6 test patients are too few; 10 are needed" in page
    assert "stage 2" not in page.partition("<h2>Words</h2>")[0]
