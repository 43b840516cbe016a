"""The pneumonia of a phantom fills one lobe up to its fissure and keeps its bronchi open."""

import numpy as np
import pytest
from scipy import ndimage

from lungsight.demo import cohort as cohorts
from lungsight.demo.anatomy import Phantom, thorax
from lungsight.demo.body import Body
from lungsight.demo.pneumonia import LOBES, Lobe, draw_pneumonia
from lungsight.errors import UserError
from tests.unit.demo.test_cohort import completed


@pytest.fixture(scope="module", params=[1, 2, 3])
def phantom(request) -> Phantom:
    return thorax(request.param, matrix=160, slices=7, disease="pneumonia", lungs_only=True)


def test_one_lung_is_ill_and_most_of_it_solid(phantom: Phantom) -> None:
    shares = [phantom.lesion[side].mean() for side in (phantom.lung_left, phantom.lung_right)]
    assert min(shares) == 0 and 0.15 < max(shares) < 0.7
    inside = phantom.hu[ndimage.binary_erosion(phantom.lesion, np.ones((5, 5, 1)))]
    assert (inside > -150).mean() > 0.6, "consolidation, not ground glass"


def test_branching_air_lies_in_the_consolidation(phantom: Phantom) -> None:
    """Closed tubes far below the surface of what is solid."""
    depth = [ndimage.binary_closing(phantom.hu[:, :, k] > -300, iterations=3) for k in range(phantom.hu.shape[2])]
    solid = ndimage.binary_erosion(np.stack(depth, axis=-1) & phantom.lesion, np.ones((5, 5, 1)))
    air = solid & (phantom.hu < -250)
    assert 0.005 < air.sum() / solid.sum() < 0.2
    assert ndimage.label(air)[1] >= 5


def test_ground_glass_is_what_tells_covid_from_it() -> None:
    densities = {}
    for disease in ("covid", "pneumonia"):
        made = thorax(5, matrix=128, slices=6, disease=disease, lungs_only=True)
        densities[disease] = np.median(made.hu[made.lesion])
    assert densities["covid"] < -250 < -100 < densities["pneumonia"]


def test_lobes_meet_at_their_fissures() -> None:
    body = Body.draw(np.random.default_rng(0))
    x, y, z = np.meshgrid(np.linspace(40, 110, 12), np.linspace(-80, 70, 16), np.linspace(20, 220, 20), indexing="ij")
    for side in (1, -1):
        lower, upper = (Lobe(body, side, part).distance(side * x, y, z) for part in ("lower", "upper"))
        assert not ((lower < 0) & (upper < 0)).any(), "no point lies in two lobes"
        neither = (lower > 0) & (upper > 0)
        assert neither.any() == (side == 1), "the middle lobe of the right lung alone"
        assert (lower[:, 0] < 0).mean() > (lower[:, -1] < 0).mean(), "the lower lobe lies behind"
    assert sum(LOBES.values()) == pytest.approx(1)


def test_lobes_differ_between_patients() -> None:
    drawn = {
        (made.lobe.side, made.lobe.part)
        for made in (
            draw_pneumonia(Body.draw(np.random.default_rng(seed)), np.random.default_rng(seed)) for seed in range(15)
        )
    }
    assert len(drawn) >= 3


def test_classes_take_turns_and_every_source_has_all() -> None:
    classes = ["Covid-19", "CAP", "Normal"]
    cohort = completed(format="png", phantom={"seed": 1, "patients": 18, "classes": classes})
    rows = {(row["source"], row["label"], row["patient"]) for row in cohorts.cohort_table("made", cohort)}
    assert len(rows) == 18 and len({row[:2] for row in rows}) == 9
    assert [cohorts.disease_of(number, cohort) for number in range(4)] == ["covid", "pneumonia", "none", "covid"]
    marked = cohort["phantom"] | {"shortcut": {"enabled": True, "strength": 1.0}}
    assert [cohorts.is_marked(number, cohort | {"phantom": marked}) for number in range(4)] == [
        True,
        False,
        False,
        True,
    ]


def test_a_class_of_the_phantoms_without_a_word_is_refused(tmp_path) -> None:
    cohort = completed(format="png", phantom={"seed": 1, "patients": 3, "classes": ["Covid-19", "CAP", "Normal"]})
    with pytest.raises(UserError, match="no class of labels has the word CAP"):
        cohorts.check_table_fits("made", cohort, {"Covid-19": ["Covid-19"], "Normal": ["Normal"]})
