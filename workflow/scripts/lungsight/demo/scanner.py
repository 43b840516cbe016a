"""Describe scanners and imitate them: what makes one person look different in two hospitals."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from lungsight.demo.fields import band_noise
from lungsight.intake.geometry import image_to_slice

FWHM = 2.355  # full width at half maximum of a Gaussian, in standard deviations
MARK_HU = 1800.0
PADDING_HU = -2000.0


@dataclass(frozen=True)
class Scanner:
    """A scanner with its protocol.

    Attributes
    ----------
    name, manufacturer, model, kernel : str
    field_of_view, thickness : float
        mm.
    below, above : float
        mm scanned below and above the lungs.
    noise : float
        HU.
    noise_peak, noise_width : float
        Cycles per mm.
    blur : float
        mm, full width at half maximum.
    sharpening : float
        Share of the fine detail that is added.
    kvp : int
    circular : bool
        Pixels outside the circle of reconstruction are padding.
    flat_table : bool
    """

    name: str
    manufacturer: str
    model: str
    kernel: str
    field_of_view: float
    below: float
    above: float
    thickness: float
    noise: float
    noise_peak: float
    noise_width: float
    blur: float
    sharpening: float
    kvp: int
    circular: bool
    flat_table: bool


SCANNERS = {
    scanner.name: scanner
    for scanner in (
        Scanner(
            name="alpha",
            manufacturer="Alpha Imaging",
            model="Helix 64",
            kernel="B31f",
            field_of_view=384.0,
            below=32.0,
            above=30.0,
            thickness=5.0,
            kvp=120,
            noise=14.0,
            noise_peak=0.05,
            noise_width=0.07,
            blur=2.6,
            sharpening=0.0,
            circular=False,
            flat_table=False,
        ),
        Scanner(
            name="beta",
            manufacturer="Beta Medical Systems",
            model="Lumen VCT",
            kernel="LUNG",
            field_of_view=370.0,
            below=40.0,
            above=24.0,
            thickness=2.5,
            kvp=100,
            noise=30.0,
            noise_peak=0.2,
            noise_width=0.1,
            blur=1.6,
            sharpening=0.6,
            circular=True,
            flat_table=True,
        ),
        Scanner(
            name="gamma",
            manufacturer="Gamma Healthcare",
            model="Aria",
            kernel="FC13",
            field_of_view=372.0,
            below=30.0,
            above=30.0,
            thickness=3.0,
            kvp=130,
            noise=21.0,
            noise_peak=0.12,
            noise_width=0.06,
            blur=2.1,
            sharpening=0.25,
            circular=False,
            flat_table=False,
        ),
    )
}


def acquire(
    hu: np.ndarray, radius: np.ndarray, pixel: float, scanner: Scanner, noise: float, rng: np.random.Generator
) -> np.ndarray:
    """Image one ideal plane as a scanner does.

    It adds the point spread, the edge enhancement and the noise of the kernel, and padding outside a circular field of
    view.

    Parameters
    ----------
    hu : (i, j) array
    radius : (i, j) array
        mm from the isocentre.
    pixel : float
        mm.
    scanner : Scanner
    noise : float
        HU at the isocentre.
    rng : numpy.random.Generator

    Returns
    -------
    (i, j) float32
        HU.
    """
    image = ndimage.gaussian_filter(hu, scanner.blur / pixel / FWHM)
    if scanner.sharpening:
        image += scanner.sharpening * (image - ndimage.gaussian_filter(image, 1.6 / pixel))
    grain = band_noise(rng, hu.shape, scanner.noise_peak * pixel, scanner.noise_width * pixel)
    # The fewest photons pass the middle of the body, so noise is highest there.
    image += noise * (0.55 + 0.45 * np.exp(-((radius / 130) ** 2))) * grain
    if scanner.circular:
        image[radius > scanner.field_of_view / 2] = PADDING_HU
    return image.astype(np.float32)


def mark_pixels(matrix: int) -> np.ndarray:
    """Mark the pixels of the planted mark, (i, j) bool: an L of metal in the air before the patient's left shoulder."""
    row, column = np.indices((matrix, matrix)) / matrix
    upright = (np.abs(column - 0.66) < 0.012) & (np.abs(row - 0.045) < 0.026)
    foot = (np.abs(column - 0.68) < 0.03) & (np.abs(row - 0.062) < 0.011)
    return image_to_slice(upright | foot)
