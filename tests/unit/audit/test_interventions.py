"""The interventions: what they change, what they leave, and that no level comes from one slice."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.interventions import INTERVENTIONS, Extents, InterventionBatch, donors_of, intervene, mean_levels
from lungsight.tables import columns_of

SIZE = 40
EXTENTS = Extents(margin=0.0, border=0.1, crop=0.6, low_pass=0.05, blur=0.2)


def made_batch(extents: Extents = EXTENTS) -> InterventionBatch:
    """Two slices: air 10, bodies 200 and 210, lungs 60 and 100, at different places; each is the other's donor."""
    images, lung = np.full((2, SIZE, SIZE), 10, np.uint8), np.zeros((2, SIZE, SIZE), bool)
    images[0, 4:36, 4:36], images[1, 4:36, 4:36] = 200, 210
    lung[0, 10:20, 10:20] = lung[1, 12:22, 10:20] = True
    images[0][lung[0]], images[1][lung[1]] = 60, 100
    return InterventionBatch(images, lung, np.array([1, 0]), extents)


def test_the_table_of_logits_has_a_column_for_every_intervention() -> None:
    assert columns_of("intervention_logits") == ["slice", "patient", "label", "class", "intact", *INTERVENTIONS]


def test_background_only_touches_the_lung_alone_and_lung_only_the_rest() -> None:
    batch = made_batch()
    for name in INTERVENTIONS:
        changed = intervene(batch, name)
        assert (changed.shape, changed.dtype) == (batch.images.shape, np.uint8)
        if name.startswith("background_only"):
            assert (changed == batch.images)[~batch.lung].all() and (changed != batch.images)[batch.lung].any()
        if name.startswith("lung_only"):
            assert (changed == batch.images)[batch.lung].all() and (changed != batch.images)[~batch.lung].any()


def test_the_mean_fill_is_one_level_for_all_patients() -> None:
    """A patient's own mean density would tell of disease."""
    batch = made_batch()
    changed = intervene(batch, "background_only_mean")
    assert set(changed[batch.lung]) == {80}
    # The rest becomes as bright as the body, not as the mean of body and air, in which the lung would vanish.
    assert set(intervene(batch, "lung_only_mean")[~batch.lung]) == {205}
    assert set(intervene(batch, "silhouette").ravel()) == {80, 205}


def test_a_black_background_stays_black() -> None:
    batch = made_batch()
    segmented = InterventionBatch(batch.images * batch.lung, batch.lung, batch.donors, EXTENTS)
    assert (mean_levels(segmented)[~batch.lung] == 0).all()
    np.testing.assert_array_equal(intervene(segmented, "lung_only_mean"), segmented.images)
    np.testing.assert_array_equal(intervene(segmented, "lung_only_other"), segmented.images)
    np.testing.assert_array_equal(intervene(segmented, "background_only_mean"), intervene(segmented, "silhouette"))


def test_another_patients_lung_goes_where_both_have_lung() -> None:
    batch = made_batch()
    changed = intervene(batch, "background_only_other")
    both = batch.lung[0] & batch.lung[1]
    assert set(changed[0][both]) == {100} and set(changed[1][both]) == {60}
    assert set(changed[0][batch.lung[0] & ~batch.lung[1]]) == {80}


def test_a_margin_counts_to_the_lung() -> None:
    batch = made_batch(replace(EXTENTS, margin=0.05))
    wide = batch.wide_lung
    assert (wide & batch.lung == batch.lung).all()
    assert wide[0, 8, 15] and not wide[0, 7, 15]  # two pixels: a twentieth of 40
    changed = intervene(batch, "background_only_mean")
    assert (changed == batch.images)[~wide].all() and changed[0, 8, 15] != 200


def test_border_and_crop_are_shares_of_the_side() -> None:
    batch = made_batch()
    frame, square = np.ones((SIZE, SIZE), bool), np.zeros((SIZE, SIZE), bool)
    frame[4:36, 4:36] = False
    square[8:32, 8:32] = True
    grey = round(batch.images.mean())
    for name, kept in (("border_only", frame), ("central_crop", square)):
        changed = intervene(batch, name)
        assert (changed == batch.images)[:, kept].all()
        assert set(changed[:, ~kept].ravel()) == {grey}


def test_low_pass_keeps_the_mean_and_takes_texture() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, SIZE, SIZE)).astype(np.uint8)
    changed = intervene(InterventionBatch(images, np.ones_like(images, bool), np.zeros(3, int), EXTENTS), "low_pass")
    np.testing.assert_allclose(changed.mean(), images.mean(), atol=2)
    assert changed.std() < images.std() / 4


@pytest.mark.parametrize("rename", [str, lambda name: f"{ord(name[-1]) % 7}{name}"])
def test_donors_have_the_other_class_the_same_height_and_follow_table_order(rename) -> None:
    patients = ["a"] * 3 + ["b"] * 2 + ["c"] * 1 + ["d"] * 3
    labels = dict(zip("abcd", ["x", "y", "x", "x"], strict=True))
    table = pd.DataFrame({"patient": patients, "label": [labels[name] for name in patients]})
    donors = donors_of(table.assign(patient=table["patient"].map(rename)), ["x", "y"])
    assert donors.tolist() == [3, 3, 4, 0, 2, 3, 3, 3, 4]


def test_donors_where_there_is_one_class_or_one_patient() -> None:
    one_class = pd.DataFrame({"patient": list("aab"), "label": "x"})
    assert donors_of(one_class, ["x", "y"]).tolist() == [2, 2, 0]
    alone = pd.DataFrame({"patient": list("aa"), "label": "x"})
    assert donors_of(alone, ["x", "y"]).tolist() == [0, 1]


def test_donors_are_of_the_next_class_and_step_by_step_of_every_other() -> None:
    """The first class follows the last, and a class without a slice is left out."""
    table = pd.DataFrame({"patient": list("abcdef"), "label": list("yxzyxz")})
    labels = ["x", "without slices", "y", "z"]
    donors = {step: "".join(table["label"][donors_of(table, labels, step)]) for step in (1, 2)}
    assert donors == {1: "zyxzyx", 2: "xzyxzy"}
    assert donors_of(table, labels).tolist() == [2, 0, 1, 5, 3, 4]
