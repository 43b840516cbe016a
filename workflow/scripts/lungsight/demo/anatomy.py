"""Make a phantom patient: a thorax CT in HU, with the truth about lungs and lesions."""

from dataclasses import dataclass

import numpy as np

from lungsight.demo import organs
from lungsight.demo.body import Body
from lungsight.demo.canvas import Canvas
from lungsight.demo.fields import Waves, coverage
from lungsight.demo.lesions import DISEASES, Lesions, draw_lesions
from lungsight.demo.pneumonia import AIR_HU, Consolidation
from lungsight.demo.scanner import MARK_HU, SCANNERS, Scanner, acquire, mark_pixels
from lungsight.demo.vessels import Vessels, grow_vessels, vessel_shares

LUNG_LEVELS = (0.16, 0.84)  # shares of the lungs' height; every plane between them shows both lungs well


@dataclass(frozen=True)
class Phantom:
    """One acquisition on canonical (RAS+) axes.

    Attributes
    ----------
    hu : (i, j, k) float32
    lung_left, lung_right : (i, j, k) bool
        The air spaces with vessels and lesions, without trachea and main bronchi.
    lesion : (i, j, k) bool
        Inside the lungs.
    cord : (i, j, k) bool
        The spinal cord.
    spacing : (float, float, float)
        mm along i, j and k.
    origin : (float, float, float)
        Centre of voxel (0, 0, 0), mm in RAS.
    scanner : Scanner
    disease : str
        One of `lesions.DISEASES`.
    """

    hu: np.ndarray
    lung_left: np.ndarray
    lung_right: np.ndarray
    lesion: np.ndarray
    cord: np.ndarray
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    scanner: Scanner
    disease: str

    @property
    def lung(self) -> np.ndarray:
        """Both lungs, bool."""
        return self.lung_left | self.lung_right

    @property
    def affine(self) -> np.ndarray:
        """The map from a voxel index to mm in RAS, (4, 4)."""
        affine = np.diag([*self.spacing, 1.0])
        affine[:3, 3] = self.origin
        return affine


@dataclass(frozen=True)
class _Person:
    """Everything that is drawn at random once per patient."""

    body: Body
    vessels: Vessels
    lesions: Lesions | Consolidation | None
    bend_x: Waves
    bend_y: Waves
    strands: Waves
    texture: Waves
    mottle: Waves
    noise: float


def _draw_person(
    seed: int, disease: str, scanner: Scanner, slices: int, lungs_only: bool
) -> tuple[_Person, np.ndarray]:
    """Draw the person and the heights of the planes. Each part has its own stream, so no part changes another."""
    streams = [np.random.default_rng([seed, part]) for part in range(9)]
    body = Body.draw(streams[0])
    heights = _heights(body, scanner, slices, lungs_only)
    person = _Person(
        body=body,
        vessels=grow_vessels(body, streams[1]),
        lesions=draw_lesions(disease, body, streams[2], heights),
        bend_x=Waves.draw(streams[3], (110, 240), 12),
        bend_y=Waves.draw(streams[4], (110, 240), 12),
        strands=Waves.draw(streams[5], (14, 60), 48, along_z=2),
        texture=Waves.draw(streams[6], _band_of_texture(streams[6]), 48, along_z=4),
        mottle=Waves.draw(streams[7], (50, 110), 16),
        noise=scanner.noise * streams[8].uniform(0.8, 1.25),
    )
    return person, heights


def _band_of_texture(rng: np.random.Generator) -> tuple[float, float]:
    """Draw the range of wavelengths, in mm, of one person's lung tissue."""
    shortest = rng.uniform(8, 20)
    return shortest, 1.5 * shortest


def _heights(body: Body, scanner: Scanner, slices: int, lungs_only: bool) -> np.ndarray:
    """Compute the z of each plane in mm: over the scanner's range, or where both lungs show well."""
    if lungs_only:
        low, high = (level * body.height for level in LUNG_LEVELS)
    else:
        low, high = -scanner.below, body.height + scanner.above
    spacing = np.floor(10 * (high - low) / slices) / 10
    return low + spacing * (np.arange(slices) + 0.5)


def _paint_lungs(canvas: Canvas, person: _Person, thickness: float, airway: np.ndarray) -> tuple[np.ndarray, ...]:
    """Paint both lungs; return left lung, right lung and lesion as bool planes."""
    body, x, y, z = person.body, canvas.axis_x, canvas.axis_y, canvas.z
    distance = np.maximum(canvas.distance(body.lungs(canvas.x, canvas.y, z)), -airway)
    inside = coverage(distance, canvas.pixel)
    lung = distance < 0
    lesion = np.zeros_like(lung)
    if lung.any():
        down = np.clip(0.5 - canvas.y / (2 * body.cavity_half_depth), 0, 1)
        tissue = body.parenchyma - 35 + 85 * down**1.5
        tissue = tissue + 17 * person.texture.on_grid(x, y, z) + 14 * person.mottle.on_grid(x, y, z)
        solid, grain = 0.0, 0.0
        if person.lesions is not None:
            haze, solid, grain = person.lesions.on_plane(x, y, z)
            tissue += haze * (person.lesions.glass + grain - tissue)
            lesion = lung & (np.maximum(haze, solid) >= 0.5)
        blood, wall, air = vessel_shares(canvas, person.vessels, thickness)
        for share, value in ((blood, 35.0), (wall, -150.0)):
            tissue += share * np.maximum(value - tissue, 0)
        tissue += air * (-940.0 - tissue)
        if person.lesions is not None:
            tissue += solid * (person.lesions.solid + 0.3 * grain - tissue)
        if isinstance(person.lesions, Consolidation):  # its bronchi stay open
            tissue += solid * person.lesions.lumen(canvas, thickness) * (AIR_HU - tissue)
        canvas.blend(inside, tissue)
    right = lung & (canvas.x > 0)
    return lung & ~right, right, lesion


def _plane(person: _Person, scanner: Scanner, x: np.ndarray, y: np.ndarray, z: float) -> tuple[np.ndarray, ...]:
    """Draw one ideal plane, before the scanner's effects: hu, left lung, right lung, lesion, cord."""
    body = person.body
    canvas = Canvas(x, y, z, 2.6 * person.bend_x.on_grid(x, y, z), 2.2 * person.bend_y.on_grid(x, y, z))
    strands = person.strands.on_grid(x, y, z)
    organs.paint_table(canvas, body, scanner.flat_table)
    organs.paint_wall(canvas, body, strands)
    organs.paint_ribs(canvas, body)
    organs.paint_mediastinum(canvas, body, strands)
    organs.paint_abdomen(canvas, body, strands)
    organs.paint_front_bones(canvas, body)
    cord = organs.paint_spine(canvas, body)
    airway = organs.airway_distance(canvas, body)
    masks = _paint_lungs(canvas, person, scanner.thickness, airway)
    organs.paint_airways(canvas, body)
    return canvas.hu, *masks, cord


def thorax(
    seed: int,
    matrix: int = 192,
    slices: int = 14,
    scanner: str = "alpha",
    disease: str = "none",
    *,
    lungs_only: bool = False,
    mark: bool = False,
) -> Phantom:
    """Make one patient.

    Parameters
    ----------
    seed : int
        Decides the person.
    matrix : int
        Rows and columns.
    slices : int
        Planes from below to above the lungs.
    scanner : str
        A key of `scanner.SCANNERS`; decides how the person looks.
    disease : {"none", "nodule", "covid", "tumour", "pneumonia"}
    lungs_only : bool
        Draw all planes through the lungs instead.
    mark : bool
        Plant a metal mark in the air outside the body. No other voxel changes.
    """
    if disease not in DISEASES:
        raise ValueError(f"disease {disease!r} is none of {', '.join(DISEASES)}")
    device = SCANNERS[scanner]
    person, heights = _draw_person(seed, disease, device, slices, lungs_only)
    pixel = device.field_of_view / matrix
    axis = (np.arange(matrix) - (matrix - 1) / 2) * pixel
    radius = np.hypot(axis[:, None], axis[None, :])
    shift = np.random.default_rng([seed, 20]).uniform(-5, 5, 2)
    planes = []
    for number, z in enumerate(heights):
        hu, *masks = _plane(person, device, axis + shift[0], axis + shift[1], z)
        noise = np.random.default_rng([seed, 21, number])
        planes.append((acquire(hu, radius, pixel, device, person.noise, noise), *masks))
    volumes = [np.stack(of_planes, axis=-1) for of_planes in zip(*planes, strict=True)]
    if mark:
        volumes[0][mark_pixels(matrix)] = MARK_HU
    step = float(heights[1] - heights[0]) if slices > 1 else device.thickness
    hu, left, right, lesion, cord = volumes
    return Phantom(
        hu=hu,
        lung_left=left,
        lung_right=right,
        lesion=lesion,
        cord=cord,
        spacing=(pixel, pixel, round(step, 3)),
        origin=(float(axis[0]), float(axis[0]), round(float(heights[0] - heights.mean()), 3)),
        scanner=device,
        disease=disease,
    )
