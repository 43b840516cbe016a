"""Draw lobar pneumonia: a lobe, or much of it, is consolidated up to its fissures, and its bronchi stay open.

Inside the consolidation lie dark branching tubes: the air bronchogram. Towards the rest of its lobe it ends in ground
glass. The fissures are planes: an oblique one in each lung, and a horizontal one in front of it on the right.
"""

from dataclasses import dataclass

import numpy as np

from lungsight.demo.body import Body
from lungsight.demo.canvas import Canvas
from lungsight.demo.fields import Waves, coverage
from lungsight.demo.vessels import Vessels, grow_tree, points_in_lung, vessel_shares

RIGHT, LEFT = 1, -1
# Side and part of a lobe, and how often pneumonia is drawn there. Most are in the lower lobes.
LOBES = {(RIGHT, "lower"): 0.4, (LEFT, "lower"): 0.3, (RIGHT, "upper"): 0.15, (LEFT, "upper"): 0.15}
# The oblique fissure runs from behind and above to the front and below: (depth, level), as shares.
BEHIND, IN_FRONT = (-0.85, 0.8), (0.75, 0.14)
HORIZONTAL = 0.5  # level of the horizontal fissure
SHARP = 2.5  # mm: the border at a fissure
FADING = 9.0  # mm: the border where nothing bounds the consolidation
HALO = 16.0  # mm of ground glass around it
OPEN_FROM = 0.85  # mm: thinner bronchi are filled
AIR_HU = -940.0
TWIGS = 90


@dataclass(frozen=True)
class Lobe:
    """A lobe by its fissures. side: 1 is the right lung. part: upper or lower."""

    body: Body
    side: int
    part: str

    def distance(self, x, y, z):
        """Measure the distance to the fissures that bound the lobe, mm; negative inside. The pleura does not count."""
        body = self.body
        slope = (IN_FRONT[1] - BEHIND[1]) * body.height / ((IN_FRONT[0] - BEHIND[0]) * body.cavity_half_depth)
        behind = BEHIND[0] * body.cavity_half_depth
        # Seen from above, the fissure bulges to the front beside the mediastinum.
        bulge = 10 * np.cos(np.pi * (np.abs(x) - 40) / 160)
        fissure = BEHIND[1] * body.height + slope * (y + body.backward(z) - bulge - behind)
        above = (fissure - z) / np.hypot(1, slope)  # negative above the oblique fissure
        if self.part == "lower":
            inside = -above
        elif self.side == RIGHT:
            inside = np.maximum(above, HORIZONTAL * body.height - z)
        else:
            inside = above
        return np.maximum(inside, -self.side * x)


@dataclass(frozen=True)
class Consolidation:
    """The pneumonia of one lobe.

    Attributes
    ----------
    lobe : Lobe
    centre, radii : (3,) arrays
        Of the ellipsoid that is filled as far as the lobe reaches, mm.
    bronchi : Vessels
        Their lumen.
    edge, grain : Waves
        The field that frays the border, and the texture.
    glass, solid : float
        HU of the ground glass and of the consolidation.
    """

    lobe: Lobe
    centre: np.ndarray
    radii: np.ndarray
    bronchi: Vessels
    edge: Waves
    grain: Waves
    glass: float
    solid: float

    def on_plane(self, x: np.ndarray, y: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Compute the shares of haze and of solid tissue on the plane z, and the texture in HU, each (n, m)."""
        across, ahead = x[:, None], y[None, :]
        scaled = [
            (at - middle) / radius
            for at, middle, radius in zip((across, ahead, z), self.centre, self.radii, strict=True)
        ]
        beyond = (np.sqrt(sum(part**2 for part in scaled)) - 1) * self.radii.min() + 5 * self.edge.on_grid(x, y, z)
        within = coverage(self.lobe.distance(across, ahead, z) + 0.6 * self.edge.on_grid(x, y, z), SHARP)
        grain = self.grain.on_grid(x, y, z)
        return within * coverage(beyond - HALO, 2 * FADING), within * coverage(beyond, FADING), 40 * grain

    def lumen(self, canvas: Canvas, thickness: float) -> np.ndarray:
        """Compute the share of each pixel that is air in an open bronchus, (n, m)."""
        filled, _, _ = vessel_shares(canvas, self.bronchi, thickness)
        return filled


def _open_bronchi(body: Body, lobe: Lobe, centre: np.ndarray, radii: np.ndarray, rng: np.random.Generator) -> Vessels:
    """Grow bronchi from the hilum into the consolidation, and keep those that are wide enough to stay open."""
    points = points_in_lung(body, lobe.side, 12 * TWIGS, rng)
    near = np.sqrt((((points - centre) / radii) ** 2).sum(axis=1)) < 1.15
    inside = points[near & (lobe.distance(*points.T) < -4)][:TWIGS]
    hilum = np.array([lobe.side * 36.0, -8.0, 0.5 * body.height])
    tree = grow_tree(hilum, inside, rng.uniform(0.35, 0.5))
    kept = tree.radius >= OPEN_FROM
    return Vessels(tree.start[kept], tree.end[kept], np.minimum(tree.radius[kept], 2.6))


def draw_pneumonia(body: Body, rng: np.random.Generator) -> Consolidation:
    """Draw the pneumonia of a lobe. It begins below the pleura, behind in a lower lobe, and reaches the fissure."""
    lobes = list(LOBES)
    side, part = lobes[rng.choice(len(lobes), p=list(LOBES.values()))]
    lobe = Lobe(body, side, part)
    if part == "lower":
        shares = np.array([rng.uniform(0.45, 0.7), rng.uniform(-0.75, -0.5), rng.uniform(0.3, 0.48)])
    else:
        shares = np.array([rng.uniform(0.45, 0.65), rng.uniform(-0.1, 0.35), rng.uniform(0.62, 0.72)])
    scale = np.array([side * body.cavity_half_width, body.cavity_half_depth, body.height])
    centre = shares * scale
    radii = np.array([rng.uniform(62, 84), rng.uniform(56, 80), rng.uniform(62, 88)])
    return Consolidation(
        lobe,
        centre,
        radii,
        _open_bronchi(body, lobe, centre, radii, rng),
        edge=Waves.draw(rng, (12, 38), 40),
        grain=Waves.draw(rng, (5, 9), 40),
        glass=rng.uniform(-580, -480),
        solid=rng.uniform(15, 45),
    )
