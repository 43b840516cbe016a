"""Draw lesions: the ground-glass and consolidation of Covid-19, lobar pneumonia, a nodule, a tumour."""

from dataclasses import dataclass

import numpy as np

from lungsight.demo.body import Body
from lungsight.demo.fields import Waves
from lungsight.demo.pneumonia import Consolidation, draw_pneumonia

DISEASES = ("none", "nodule", "covid", "tumour", "pneumonia")


@dataclass(frozen=True)
class Lesions:
    """Blobs with a ragged edge.

    Attributes
    ----------
    centre, radii : (n, 3) arrays
        mm.
    core : (n,) array
        Share of the radii that is consolidated.
    edge : Waves
        The field that frays the edges.
    grain : Waves
        The texture of the hazy part.
    ragged : float
        How much the edges are frayed, as a share of the radius.
    softness : float
        Width of the border as a share of the radius.
    glass, solid : float
        HU of the hazy part and of the core.
    """

    centre: np.ndarray
    radii: np.ndarray
    core: np.ndarray
    edge: Waves
    grain: Waves
    ragged: float
    softness: float
    glass: float
    solid: float

    def on_plane(self, x: np.ndarray, y: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute the shares of haze and of solid tissue on the plane z, and the haze's texture in HU, each (n, m)."""
        haze, solid = np.full((len(x), len(y)), -9.0), np.full((len(x), len(y)), -9.0)
        for centre, radii, core in zip(self.centre, self.radii, self.core, strict=True):
            rise = ((z - centre[2]) / radii[2]) ** 2
            if rise > 2.5:
                continue
            plane = ((x[:, None] - centre[0]) / radii[0]) ** 2 + ((y[None, :] - centre[1]) / radii[1]) ** 2
            reach = np.sqrt(plane + rise)
            np.maximum(haze, 1 - reach, out=haze)
            if core:
                np.maximum(solid, core - reach, out=solid)
        if haze.max() < -1:
            nothing = np.zeros_like(haze)
            return nothing, nothing, nothing
        frayed = self.ragged * self.edge.on_grid(x, y, z)
        grain = self.grain.on_grid(x, y, z)
        shares = [np.clip(0.5 + (depth + frayed) / self.softness, 0, 1) for depth in (haze, solid - 0.15 * self.ragged)]
        return shares[0], shares[1], 45 * grain


def _rim_point(body: Body, side: int, z: float, angle: float, depth: float) -> np.ndarray | None:
    """Find the point `depth` mm below the pleura as seen from the lung's middle. angle: 0 is lateral, π/2 behind."""
    reach = np.linspace(0, 130, 131)
    x = side * (0.52 * body.cavity_half_width + reach * np.cos(angle))
    y = -12.0 - reach * np.sin(angle)
    inside = body.lungs(x, y, z) < -depth
    if not inside.any():
        return None
    last = int(np.flatnonzero(inside)[-1])
    return np.array([x[last], y[last], z])


def draw_covid(body: Body, rng: np.random.Generator) -> Lesions:
    """Draw patches below the pleura of both lungs at most heights, more of them behind and below."""
    severity = rng.uniform(0.85, 1.2)
    centres, radii, cores = [], [], []
    for side in (1, -1):
        for level in np.arange(0.1, 0.84, 0.085):
            if rng.random() < 0.12:
                continue
            for _ in range(1 + (rng.random() < 0.55)):
                angle = rng.uniform(0.2, 1.6) if rng.random() < 0.82 else rng.uniform(-1.3, 0.2)
                centre = _rim_point(body, side, (level + rng.uniform(-0.03, 0.03)) * body.height, angle, 5)
                if centre is None:
                    continue
                # Flat along the pleura.
                flat = 1.15 - 0.45 * np.abs([np.cos(angle), np.sin(angle), 0.35])
                centres.append(centre)
                radii.append(severity * rng.uniform(16, 30) * flat * rng.uniform(0.85, 1.15, 3))
                cores.append(rng.uniform(0.45, 0.7) if rng.random() < 0.45 else 0.0)
    return Lesions(
        np.array(centres),
        np.array(radii),
        np.array(cores),
        edge=Waves.draw(rng, (11, 34), 40),
        grain=Waves.draw(rng, (5, 9), 40),
        ragged=0.22,
        softness=0.32,
        glass=rng.uniform(-560, -450),
        solid=rng.uniform(0, 35),
    )


def _draw_mass(
    body: Body, rng: np.random.Generator, heights: np.ndarray, radius: tuple[float, float], tall: float
) -> Lesions:
    """Draw one solid mass in a lung at the height of a plane, so that at least one plane shows it."""
    level = np.asarray(heights) / body.height
    shown = np.asarray(heights)[(level > 0.3) & (level < 0.8)]
    z = float(rng.choice(shown)) if len(shown) else 0.5 * body.height
    side = 1 if rng.random() < 0.5 else -1
    size = rng.uniform(*radius)
    x = side * np.linspace(0.2, 0.95, 26)[:, None] * body.cavity_half_width
    y = np.linspace(-0.85, 0.75, 26)[None, :] * body.cavity_half_depth
    distance = body.lungs(x, y, z)
    candidates = np.argwhere(distance < -min(0.75 * size, 0.8 * float(-distance.min())))
    i, j = candidates[rng.integers(len(candidates))]
    return Lesions(
        np.array([[x[i, 0], y[0, j], z]]),
        size * np.array([[1.0, rng.uniform(0.85, 1.1), tall]]),
        np.array([1.0]),
        edge=Waves.draw(rng, (6, 16), 40),
        grain=Waves.draw(rng, (5, 9), 40),
        ragged=0.08,
        softness=0.14,
        glass=20.0,
        solid=rng.uniform(25, 50),
    )


def draw_lesions(
    disease: str, body: Body, rng: np.random.Generator, heights: np.ndarray
) -> Lesions | Consolidation | None:
    """Draw the lesions of a disease; None if it has none. heights: z in mm of the planes that will be drawn."""
    if disease == "covid":
        return draw_covid(body, rng)
    if disease == "pneumonia":
        return draw_pneumonia(body, rng)
    if disease == "nodule":
        return _draw_mass(body, rng, heights, (6.0, 12.0), 1.0)
    if disease == "tumour":
        return _draw_mass(body, rng, heights, (14.0, 24.0), 1.3)
    return None
