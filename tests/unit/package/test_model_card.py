"""The model card: valid for the Hub, short, and each of its numbers is one of the run's files."""

import re

import pytest
from huggingface_hub import ModelCard

from lungsight.files import sha256_of
from lungsight.package.crate import Published
from lungsight.package.model_card import MARKDOWN, hub_licence, model_card, plain
from lungsight.wording import with_interval
from tests.factories.results import changed

MODEL = ("whole-small_cnn-scratch", 2)
MOST_WORDS = 700  # two minutes, tables of numbers included


@pytest.fixture(scope="module")
def card(results) -> str:
    return model_card(results, MODEL, Published("", ()))


def rows_of(table, **where):
    for column, value in where.items():
        table = table[table[column] == value]
    return table


def test_the_hub_reads_its_results(card, results):
    data = ModelCard(card).data
    measured = rows_of(results.metrics, pipeline=MODEL[0], stage=2)
    assert data.library_name == "keras" and data.pipeline_tag == "image-classification"
    assert {result.dataset_name for result in data.eval_results} == {"clinic", "far"}
    for cohort in ("clinic", "far"):
        row = rows_of(measured, cohort=cohort, unit="patient").iloc[0]
        values = {
            result.metric_type: result.metric_value
            for result in data.eval_results
            if result.dataset_name == cohort and result.metric_name.endswith("by patient")
        }
        for metric in ("roc_auc", "accuracy", "recall", "specificity", "f1", "brier"):
            assert values[metric] == row[metric]


def test_a_licence_is_named_only_where_one_was_given(results, card):
    assert "license" not in ModelCard(card).data.to_dict()
    given = ModelCard(model_card(results, MODEL, Published("Ask [us](mailto:x) first.", ())))
    assert (given.data.license, given.data.license_name) == ("other", "own-licence")
    assert "| licence | Ask \\[us\\](mailto:x) first. |" in given.content


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", {"license": "cc-by-4.0"}),
        ("http://creativecommons.org/licenses/by-nc-sa/3.0/deed.de", {"license": "cc-by-nc-sa-3.0"}),
        ("https://creativecommons.org/publicdomain/zero/1.0/", {"license": "cc0-1.0"}),
        ("CC BY 4.0", {"license": "cc-by-4.0"}),
        ("", {}),
        *(
            (link, {"license": "other", "license_name": "own-licence", "license_link": link})
            for link in ("https://example.org/licence", "https://creativecommons.org/licenses/by/9.9/")
        ),
    ],
)
def test_the_hub_knows_a_licence_by_its_identifier(text, named):
    assert hub_licence(text) == named


def test_its_numbers_are_those_of_the_tables(card, results):
    row = rows_of(results.metrics, pipeline=MODEL[0], stage=2, cohort="clinic", unit="patient").iloc[0]
    assert f"| clinic (target) | patient | {row['n']} | {with_interval(row, 'roc_auc')} |" in card
    verdict = rows_of(results.verdicts, pipeline=MODEL[0], stage=2).iloc[0]
    assert plain(verdict["sentence"]) in card and f"*{verdict['rule']}*" in card
    split = results.splits["clinic", "whole"]
    test = split[(split["split"] == "test") & (split["label"] == "Covid-19")]
    assert f"| test | {test['patient'].nunique()} ({len(test)}) |" in card
    weights = results.folder / "models/whole-small_cnn-scratch/stage2/model.keras"
    assert sha256_of(weights) in card


def test_every_statement_with_a_number_names_its_file(card, results):
    for name in set(re.findall(r"`((?:report|models|cohorts|splits|explain|segmentation)/[^`]+)`", card)):
        assert (results.folder / name).exists(), name
    sections = card.split("## ")[1:]
    assert [section.splitlines()[0] for section in sections] == [
        *("How well", "What it was trained on", "What the audit could not see", "Use", "Files"),
    ]
    assert all(
        re.search(r"`[\w./-]+\.(?:tsv|json|keras)`", section) for section in sections if not section.startswith("Use")
    )


def test_it_is_read_in_two_minutes(card):
    body = card.split("---\n", 2)[2]
    assert len(re.sub(r"[|`*#]", " ", body).split()) < MOST_WORDS


def test_it_says_what_the_audit_could_not_see(results):
    none = changed(results, segmentation=results.segmentation.iloc[:0])
    verdicts = results.verdicts.assign(maps_pass=0, similarity=0.9, similarity_lo=0.85, similarity_hi=0.95)
    card = model_card(changed(none, verdicts=verdicts), MODEL, Published("", ()))
    assert "compared with contours in 0 test cases" in card
    assert "rank correlation 0.90 (0.85–0.95)" in card
    assert "No external cohort" not in card
    lesions = results.summaries[MODEL]["methods"][0]["lesions"]["known"]
    assert f"Lesions are drawn in {lesions} of 18 test slices" in card


def test_a_name_with_markup_is_shown_as_it_is():
    assert plain("a|b<script>`x`\n# y") == "a\\|b&lt;script&gt;'x' # y"
    assert plain("[x](javascript:y) *a* b_c \\") == "\\[x\\](javascript:y) \\*a\\* b\\_c \\\\"
    assert all(plain(chr(mark)) != chr(mark) for mark in MARKDOWN)
