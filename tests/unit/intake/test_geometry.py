"""Axes and affines, against nibabel and against formulas."""

import nibabel
import numpy as np
import pytest

from lungsight.intake.geometry import (
    LPS_TO_RAS,
    affine_of_planes,
    image_to_slice,
    is_axial,
    same_grid,
    slice_normal,
    slice_to_image,
    to_canonical,
    voxel_spacing,
)

AXIAL = np.array([1.0, 0, 0, 0, 1, 0])
CORONAL = np.array([1.0, 0, 0, 0, 0, -1])


def test_slice_and_image_are_inverse():
    plane = np.arange(12).reshape(4, 3)
    image = slice_to_image(plane)
    assert image.shape == (3, 4) and image[0, 0] == plane[-1, -1]
    np.testing.assert_array_equal(image_to_slice(image), plane)


def test_to_canonical_agrees_with_nibabel():
    rng = np.random.default_rng(8)
    array = rng.normal(size=(4, 5, 6))
    affine = np.array([[0, -0.9, 0.1, 3], [0.8, 0.1, 0, -7], [0, 0.1, -2, 9], [0, 0, 0, 1.0]])
    turned, turned_affine = to_canonical(array, affine)
    peer = nibabel.as_closest_canonical(nibabel.Nifti1Image(array, affine))
    np.testing.assert_array_equal(turned, peer.get_fdata())
    np.testing.assert_allclose(turned_affine, peer.affine)


def test_the_normal_of_an_axial_plane_points_to_the_head():
    np.testing.assert_array_equal(slice_normal(AXIAL), [0, 0, 1])
    np.testing.assert_array_equal(slice_normal(2 * CORONAL), [0, 1, 0])


def test_an_affine_follows_the_equation_of_dicom():
    first, step = np.array([-100.0, -120, 30]), np.array([0.5, 0, 2.5])
    affine = affine_of_planes(AXIAL, first, step, spacing=(0.8, 0.7))
    column, row, number = 5, 9, 3
    lps = first + AXIAL[:3] * 0.7 * column + AXIAL[3:] * 0.8 * row + step * number
    np.testing.assert_allclose(affine @ [column, row, number, 1], LPS_TO_RAS @ [*lps, 1])


@pytest.mark.parametrize(("orientation", "axial"), [(AXIAL, True), (CORONAL, False)])
def test_a_stack_along_the_body_is_axial(orientation, axial):
    affine = affine_of_planes(orientation, np.zeros(3), slice_normal(orientation), (1.0, 1.0))
    assert is_axial(affine) is axial


def test_grids_agree_within_a_thousandth_of_a_millimetre_per_step():
    affine = np.diag([0.7, 0.8, 2.5, 1.0])
    near, moved, stretched = affine.copy(), affine.copy(), affine.copy()
    near[:3, 3], moved[2, 3], stretched[0, 0] = 0.009, 0.02, 0.702
    assert same_grid(affine, near) and not same_grid(affine, moved) and not same_grid(affine, stretched)


def test_spacing_is_the_length_of_the_axes():
    affine = np.array([[0, -0.9, 0, 3], [0.8, 0, 0.3, -7], [0, 0, 0.4, 9], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(voxel_spacing(affine), [0.8, 0.9, 0.5])
