"""The verdict: every rule, the order of the rules, and their sentences."""

import re
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.fair_sample import AuditedSample, ClassCounts
from lungsight.audit.rows import Estimate, audit_row
from lungsight.audit.verdict import CONCLUSIONS, RULES, Evidence, Making, PairVerdict, decide, evidence_of
from lungsight.training.remedies import MAKING, MAPS, SWAP
from tests.factories.workspace import ROOT

GOOD = Estimate(0.95, 0.9, 1.0)
CHANCE = Estimate(0.5, 0.3, 0.7)
LOW = Estimate(0.1, 0.0, 0.3)
ON, OFF, AROUND = Estimate(1.9, 1.5, 2.2), Estimate(0.5, 0.4, 0.7), Estimate(1.0, 0.8, 1.3)
NOTHING = Estimate()
NO_REPEAT = ("unknown", "maps not repeatable")
PASSES, ALIKE = Estimate(0.1, 0.0, 0.2), Estimate(0.8, 0.7, 0.9)


def seen(**changed: object) -> Evidence:
    """A model that looks at the lung, with some of its evidence changed."""
    looks = Evidence("whole", 40, auc=GOOD, background=CHANCE, swap=LOW, enrichment=ON, similarity=PASSES)
    return looks._replace(**changed)


def sample_of(
    *of_classes: tuple[int, int, float], by_class: Estimate = NOTHING, by_outcome: Estimate = NOTHING
) -> AuditedSample:
    """Two classes: patients, patients left, share of slices lost."""
    classes = tuple(
        ClassCounts(name, 100, round(100 * (1 - lost)), patients, left, lost)
        for name, (patients, left, lost) in zip(("ill", "well"), of_classes, strict=True)
    )
    return AuditedSample(classes, by_class, by_outcome)


def pairs_of(*conclusions: str) -> tuple[PairVerdict, ...]:
    """Verdicts on the pairs of three classes, or of four."""
    labels = ["Covid-19", "Normal", "CAP", "Flu"][: 3 if len(conclusions) == 3 else 4]
    return tuple(PairVerdict(*pair, each) for pair, each in zip(combinations(labels, 2), conclusions, strict=True))


@pytest.mark.parametrize(
    ("changed", "conclusion", "rule"),
    [
        ({}, "lung", "lung outweighs"),
        ({"sample": sample_of((20, 4, 0.3), (20, 15, 0.3))}, "withheld", "too few left"),
        # A class that had few patients before is no matter of masks.
        ({"sample": sample_of((4, 4, 0.0), (20, 20, 0.0)), "patients": 24}, "lung", "lung outweighs"),
        ({"sample": sample_of((20, 15, 0.51), (20, 15, 0.45))}, "withheld", "masks mostly lost"),
        (
            {"sample": sample_of((20, 15, 0.4), (20, 15, 0.1), by_class=Estimate(0.3, 0.1, 0.5))},
            *("withheld", "loss follows class"),
        ),
        # Much, but not shown; shown, but little.
        (
            {"sample": sample_of((20, 15, 0.4), (20, 15, 0.1), by_class=Estimate(0.3, -0.1, 0.6))},
            *("lung", "lung outweighs"),
        ),
        (
            {"sample": sample_of((99, 90, 0.3), (99, 90, 0.1), by_class=Estimate(0.2, 0.1, 0.3))},
            *("lung", "lung outweighs"),
        ),
        (
            {"sample": sample_of((20, 15, 0.3), (20, 15, 0.3), by_outcome=Estimate(0.4, 0.1, 0.7))},
            *("withheld", "loss follows errors"),
        ),
        (
            {"sample": sample_of((20, 15, 0.3), (20, 15, 0.3), by_outcome=Estimate(-0.4, -0.7, -0.1))},
            *("withheld", "loss follows errors"),
        ),
        ({"patients": 9}, "unknown", "too few patients"),
        ({"patients": 10}, "lung", "lung outweighs"),
        ({"auc": Estimate(0.95)}, "unknown", "no interval"),
        ({"swap": NOTHING}, "unknown", "no interval"),
        ({"auc": CHANCE}, "unknown", "not learned"),
        ({"auc": CHANCE, "background": GOOD, "swap": GOOD}, "unknown", "not learned"),
        ({"making": (Making("noise", 0.8, GOOD), Making("blocks", 0.7, LOW))}, "making", "making outweighs"),
        ({"making": (Making("blocks", 0.7, CHANCE), Making("noise", 0.8, NOTHING))}, "lung", "lung outweighs"),
        ({"making": (Making("blocks", 0.7, LOW),), "auc": CHANCE}, "unknown", "not learned"),
        # Changed making cannot accuse a model that was trained on it, but it need not be cleared either.
        ({"making": (Making("blocks", 0.7, LOW),), "trained_on": (MAKING,)}, "unknown", "making after training"),
        ({"making": (Making("blocks", 0.7, CHANCE),), "trained_on": (MAKING,)}, "lung", "lung outweighs"),
        *(
            ({"making": (Making("blocks", 0.7, LOW),), "trained_on": (MAKING,), "swap": swap, "enrichment": OFF}, *rule)
            for swap, *rule in ((GOOD, "elsewhere", "background outweighs"), (CHANCE, "elsewhere", "maps elsewhere"))
        ),
        # Where the background decides every pair of classes, there is nothing to name.
        ({"pairs": pairs_of("lung", "elsewhere", "elsewhere")}, "elsewhere", "background decides classes"),
        ({"pairs": pairs_of(*["elsewhere"] * 3), "swap": GOOD}, "elsewhere", "background outweighs"),
        ({"pairs": pairs_of("lung", "lung", "unknown")}, "lung", "lung outweighs"),
        ({"background": Estimate(0.8, 0.6, 0.9), "swap": CHANCE}, "elsewhere", "background suffices"),
        # A lesion at the edge shapes the outline too: a model that follows the lung is not accused.
        ({"background": Estimate(0.8, 0.6, 0.9)}, "unknown", "both suffice"),
        # Better than chance, but little of what the model has.
        ({"background": Estimate(0.65, 0.55, 0.75)}, "lung", "lung outweighs"),
        # Much, but not shown.
        ({"background": Estimate(0.8, 0.4, 1.0)}, "lung", "lung outweighs"),
        ({"swap": GOOD}, "elsewhere", "background outweighs"),
        # Maps of other seeds that are no more alike than chance say nothing: not for the lung, and not against it …
        ({"repeatability": Estimate(0.1, -0.1, 0.2)}, *NO_REPEAT),
        ({"repeatability": Estimate(-0.3, -0.4, -0.1), "swap": CHANCE}, *NO_REPEAT),
        ({"repeatability": Estimate(-0.3, -0.4, -0.1), "enrichment": OFF, "swap": CHANCE}, *NO_REPEAT),
        # … but a verdict that rests on predictions stays.
        ({"repeatability": Estimate(0.1, -0.1, 0.2), "swap": GOOD}, "elsewhere", "background outweighs"),
        ({"repeatability": Estimate(0.4, 0.3, 0.5)}, "lung", "lung outweighs"),
        ({"repeatability": NOTHING}, "lung", "lung outweighs"),
        ({"enrichment": OFF}, "unknown", "maps contradict"),
        # Maps that stay alike when nothing learned is left say nothing, in either direction.
        ({"enrichment": OFF, "similarity": ALIKE}, "lung", "lung outweighs"),
        ({"enrichment": NOTHING}, "lung", "lung outweighs"),
        ({"swap": CHANCE, "enrichment": OFF}, "elsewhere", "maps elsewhere"),
        # Maps on the lung alone do not suffice: lungs lie in the middle, and so do many maps.
        ({"swap": CHANCE, "enrichment": ON}, "unknown", "maps on the lung alone"),
        ({"swap": CHANCE, "enrichment": ON, "similarity": ALIKE}, "unknown", "maps do not count"),
        ({"swap": CHANCE, "enrichment": AROUND, "similarity": NOTHING}, "unknown", "maps do not count"),
        ({"swap": CHANCE, "enrichment": AROUND}, "chance", "no preference"),
        ({"swap": CHANCE, "enrichment": NOTHING}, "unknown", "no map"),
        # What the model was trained on does not decide.
        ({"trained_on": (SWAP,), "lung": GOOD}, "lung", "lung suffices"),
        ({"trained_on": (SWAP,), "lung": CHANCE}, "unknown", "instruments seen"),
        (
            {"trained_on": (SWAP,), "lung": GOOD, "background": Estimate(0.65, 0.55, 0.75)},
            "unknown",
            "instruments seen",
        ),
        ({"trained_on": (SWAP,), "swap": GOOD, "lung": CHANCE}, "unknown", "instruments seen"),
        ({"trained_on": (SWAP,), "background": Estimate(0.8, 0.6, 0.9)}, "elsewhere", "background suffices"),
        ({"trained_on": (MAPS,)}, "lung", "lung outweighs"),
        ({"trained_on": (MAPS,), "enrichment": OFF}, "lung", "lung outweighs"),
        ({"trained_on": (MAPS,), "swap": CHANCE, "enrichment": OFF}, "unknown", "instruments seen"),
        # The lung alone counts where the swap does not.
        ({"swap": CHANCE, "enrichment": AROUND, "lung": GOOD}, "chance", "no preference"),
    ],
)
def test_the_first_rule_that_holds_decides(changed: dict, conclusion: str, rule: str) -> None:
    verdict = decide(seen(**changed))
    assert (verdict.conclusion, verdict.rule) == (conclusion, rule)
    assert verdict.sentence.lower().startswith(f"{CONCLUSIONS[conclusion]}: ") and verdict.sentence.endswith(".")


def test_the_documentation_lists_the_rules_in_their_order() -> None:
    text = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \| `([^`]+)` \| ([^|]+) \|", text, flags=re.MULTILINE)
    assert listed == [
        (str(number), rule.name, CONCLUSIONS[rule.conclusion]) for number, rule in enumerate(RULES, start=1)
    ]


def test_the_sentence_says_what_did_not_decide() -> None:
    sentence = decide(seen(trained_on=(SWAP,), lung=GOOD)).sentence
    assert sentence.endswith("Trained on slices with a part of another patient, which therefore did not decide.")
    assert "Trained on" not in decide(seen()).sentence


def test_every_rule_is_reached_by_a_test_above() -> None:
    mark = next(m for m in test_the_first_rule_that_holds_decides.pytestmark if m.name == "parametrize")
    assert {rule.name for rule in RULES} == {rule for _, _, rule in mark.args[1]}


@pytest.mark.parametrize(
    ("conclusions", "named"),
    [
        (
            ("lung", "elsewhere", "elsewhere"),
            "the model tells CAP by what is not lung, which is shown of no other class",
        ),
        (("lung", "elsewhere", "unknown"), "the model tells Covid-19 from CAP by"),
        # Of four classes, one by the background, and another pair.
        (("elsewhere", "lung", "elsewhere", "lung", "elsewhere", "elsewhere"), "tells Flu and Covid-19 from Normal by"),
    ],
)
def test_classes_that_the_background_decides_are_named(conclusions: tuple[str, ...], named: str) -> None:
    assert named in decide(seen(pairs=pairs_of(*conclusions))).sentence


NOISE = Making("noise", 1.0, LOW, GOOD, Estimate(0.0, -0.1, 0.1))  # followed, and not needed
BLOCKS = Making("blocks", 1.0, CHANCE, Estimate(0.6, 0.5, 0.7), Estimate(0.3, 0.2, 0.4))  # needed, and not followed


@pytest.mark.parametrize(
    ("making", "named"),
    [
        ((BLOCKS, NOISE), "blocks"),
        ((BLOCKS._replace(washed=Estimate(0.9, 0.8, 1.0)), NOISE), "noise"),  # less than half of the advantage
        ((BLOCKS._replace(loss=Estimate(0.3, -0.1, 0.6)), NOISE), "noise"),  # the loss is not shown
        ((BLOCKS._replace(washed=NOTHING, loss=NOTHING), NOISE), "noise"),
        ((BLOCKS._replace(general=True), NOISE), "noise"),  # every processing changes it
        ((BLOCKS._replace(auc=0.8), NOISE._replace(washed=CHANCE, loss=GOOD)), "noise"),  # both needed: the better one
        ((BLOCKS, NOISE._replace(counterfactual=CHANCE)), "blocks"),  # nothing is followed: the lowest, the first
    ],
)
def test_a_trace_that_the_model_cannot_do_without_is_named_before_one_that_it_follows(making, named) -> None:
    found = seen(making=making).named_making
    assert found is not None and found.trace == named


def test_the_sentence_tells_the_trace_that_is_named_from_the_one_that_is_followed() -> None:
    sentence = decide(seen(making=(BLOCKS, NOISE))).sentence
    assert "blocks alone tells the classes apart (AUC 1.00), without which the model has an AUC of 0.60" in sentence
    assert "are given traces of another kind (noise)" in sentence and "AUC 0.10 (0.00–0.30)" in sentence
    assert "are given such traces" in decide(seen(making=(NOISE,))).sentence
    trained = decide(seen(making=(BLOCKS, NOISE), trained_on=(MAKING,))).sentence
    assert "also traces of the making (noise) where these contradict the class: AUC 0.10" in trained


def test_the_sentence_has_the_numbers_and_the_words_of_the_input_view() -> None:
    assert "AUC 0.10 (0.00–0.30)" in decide(seen()).sentence
    suspect = seen(background=Estimate(0.8, 0.6, 0.9), swap=CHANCE)
    assert "what is not lung tells the classes apart by itself: AUC 0.80 (0.60–0.90)" in decide(suspect).sentence
    assert "the outline of the lung tells" in decide(suspect._replace(input_view="segmented")).sentence


def test_the_sentence_says_how_many_of_which_class_were_left_out() -> None:
    lost = sample_of((20, 18, 0.3), (20, 19, 0.25))
    assert decide(seen(sample=lost)).sentence.endswith(
        "Without an accepted lung mask, and left out: 30 of 100 ill, 25 of 100 well."
    )
    mostly = decide(seen(sample=sample_of((20, 15, 0.6), (20, 15, 0.1)))).sentence
    assert mostly.startswith("Not assessed: 60 % of the slices of ill have no lung mask that passed quality control")
    assert "left out" not in decide(seen()).sentence


def test_evidence_is_read_by_patient_from_the_audit() -> None:
    rows = [
        audit_row("intervention", name, "roc_auc", value, (value - 0.1, value + 0.1), unit=unit, n=n)
        for unit, shift, n in (("slice", 0.05, 60), ("patient", 0.0, 20))
        for name, value in (
            ("intact", 0.8 + shift),
            ("background_only_mean", 0.6 + shift),
            ("background_only_other", 0.2 + shift),
        )
    ]
    rows.append(audit_row("randomisation", "all", "rank_correlation", 0.1, (0.0, 0.2), unit="slice"))
    rows.append(audit_row("randomisation", "head", "rank_correlation", 0.9, (0.8, 1.0), unit="slice"))
    evidence = evidence_of("whole", pd.DataFrame(rows), ON)
    assert (evidence.auc.value, evidence.background.value, evidence.swap.value) == (0.8, 0.6, 0.2)
    assert evidence.patients == 20
    assert evidence.similarity == Estimate(0.1, 0.0, 0.2) and evidence.enrichment == ON
    nothing = evidence_of("whole", pd.DataFrame([audit_row("intervention", "intact", "roc_auc", reason="x")]), ON)
    assert np.isnan(nothing.auc.value) and decide(nothing).conclusion == "unknown"
