"""Describe the shape of one person by distance fields: body, thoracic cavity, mediastinum, diaphragm and lungs.

Coordinates are in mm: x to the person's right, y to the front, z to the head. z = 0 is the lowest point of the lungs,
z = height their apex. Every function broadcasts over x, y and z, and returns mm, negative inside.
"""

from dataclasses import dataclass

import numpy as np

from lungsight.demo.fields import ellipse, smooth_max, smooth_min, smooth_step, superellipse

PLEURA = 1.5  # mm between the inner chest wall and the lung

# Half-width of the mediastinum in mm, from back to front; positions are shares of the depth of the cavity.
_MEDIASTINUM_AT = (-1.0, -0.8, -0.5, -0.2, 0.1, 0.4, 0.7, 0.9)
_MEDIASTINUM_HALF_WIDTH = (36.0, 31.0, 22.0, 25.0, 29.0, 22.0, 9.0, 12.0)
# The same above the heart, between the great vessels.
_UPPER_HALF_WIDTH = (36.0, 31.0, 24.0, 25.0, 30.0, 30.0, 19.0, 16.0)


@dataclass(frozen=True)
class Body:
    """One person, in mm. It is drawn once per patient; every shape follows from it and the position."""

    height: float
    half_width: float
    half_depth: float
    fat: float
    wall: float
    heart: float
    heart_turn: float
    dome_right: float
    dome_left: float
    dome_depth: float
    kyphosis: float
    breast: float
    squareness: float
    spine_shift: float
    rib_spacing: float
    rib_phase: float
    parenchyma: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Body":
        """Draw a person at random."""
        half_width = rng.uniform(156, 182)
        fat = rng.uniform(6, 12) + 0.35 * (half_width - 156)
        return cls(
            height=rng.uniform(215, 262),
            half_width=half_width,
            half_depth=half_width * rng.uniform(0.64, 0.71),
            fat=fat,
            wall=rng.uniform(17, 22),
            heart=rng.uniform(0.9, 1.18),
            heart_turn=rng.uniform(0.45, 0.85),
            dome_right=rng.uniform(0.33, 0.4),
            dome_left=rng.uniform(0.28, 0.34),
            dome_depth=rng.uniform(62, 80),
            kyphosis=rng.uniform(28, 50),
            breast=rng.uniform(14, 30) if rng.random() < 0.5 else 0.0,
            squareness=rng.uniform(2.2, 2.6),
            spine_shift=rng.uniform(-3, 3),
            rib_spacing=rng.uniform(21, 25),
            rib_phase=rng.uniform(0, 1),
            parenchyma=rng.uniform(-885, -835),
        )

    @property
    def cavity_half_width(self) -> float:
        """Half the inner width of the chest, mm."""
        return self.half_width - 0.8 * self.fat - self.wall

    @property
    def cavity_half_depth(self) -> float:
        """Half the inner depth of the chest, mm."""
        return self.half_depth - 0.6 * self.fat - 0.85 * self.wall

    def level(self, z):
        """Convert a height to a share: 0 at the lowest point of the lungs, 1 at their apex."""
        return z / self.height

    def backward(self, z):
        """Compute how far the curve of the spine moves the inside of the chest to the back, mm."""
        above = self.level(z) - 0.45
        return self.kyphosis * above**2 * np.where(above > 0, 1.0, 0.3)

    def skin(self, x, y, z):
        """Measure the distance to the surface of the body: chest, breasts and, above the lungs, shoulders."""
        level = self.level(z)
        shoulder = smooth_step(0.72, 1.08, level)
        half_width = self.half_width * (1 + 0.05 * shoulder - 0.04 * (1 - smooth_step(-0.15, 0.3, level)))
        half_depth = self.half_depth * (1 - 0.24 * shoulder)
        distance = superellipse(x, y + 16 * shoulder, half_width, half_depth, self.squareness)
        if self.breast:
            size = self.breast * np.exp(-(((level - 0.42) / 0.2) ** 2))
            for side in (1, -1):
                centre = (side * 0.46 * self.half_width, half_depth * 0.72 + 0.35 * size)
                breast = ellipse(x, y, centre, (46 + size, 14 + size), angle=-0.25 * side)
                distance = smooth_min(distance, breast, 16)
        return distance

    def cavity(self, x, y, z):
        """Measure the distance to the inner chest wall, which narrows upwards and ends in the neck."""
        level = self.level(z)
        taper = np.interp(level, (0.3, 0.5, 0.7, 0.85, 1.0, 1.15), (1.0, 0.97, 0.86, 0.71, 0.55, 0.46))
        depth = np.interp(level, (0.3, 0.55, 0.75, 1.0, 1.15), (1.0, 0.98, 0.88, 0.62, 0.5))
        back = self.backward(z)
        return superellipse(
            x, y + back, self.cavity_half_width * taper, self.cavity_half_depth * depth, self.squareness - 0.05
        )

    @property
    def heart_centre(self) -> tuple[float, float, float]:
        """The centre of the heart, (x, y, z) mm."""
        return (-27.0, 0.2 * self.cavity_half_depth, (self.dome_left + 0.12) * self.height)

    def heart_surface(self, x, y, z):
        """Measure the distance to the pericardium within an axial plane."""
        centre = self.heart_centre
        across = (z - centre[2]) / (58 * self.heart)
        scale = np.sqrt(np.clip(1 - across**2, 1e-4, 1))
        # The apex lies to the left, in front and below: lower planes are shifted towards it.
        shift = -14 * across
        moved = (centre[0] + shift, centre[1] - 0.5 * shift)
        radii = (63 * self.heart * scale, 45 * self.heart * scale)
        distance = ellipse(x, y, moved, radii, angle=-self.heart_turn)
        return np.where(np.abs(across) < 1, distance, np.abs(distance) + 20)

    def spine_centre(self, z) -> tuple[float, float]:
        """Locate the centre of the vertebral body, (x, y)."""
        return self.spine_shift, -0.45 * self.cavity_half_depth - self.backward(z)

    def aorta_centre(self, z) -> tuple[float, float]:
        """Locate the centre of the descending aorta, (x, y)."""
        x, y = self.spine_centre(z)
        lateral = np.interp(self.level(z), (0.0, 0.35, 0.7), (-10.0, -24.0, -31.0))
        return x + lateral, y + np.interp(self.level(z), (0.0, 0.35, 0.7), (26.0, 17.0, 14.0))

    def mediastinum(self, x, y, z):
        """Measure the distance to what separates the lungs: spine, great vessels, heart."""
        level = self.level(z)
        inward = (y + self.backward(z)) / self.cavity_half_depth
        lower = np.interp(inward, _MEDIASTINUM_AT, _MEDIASTINUM_HALF_WIDTH)
        upper = np.interp(inward, _MEDIASTINUM_AT, _UPPER_HALF_WIDTH)
        share = smooth_step(0.62, 0.8, level)
        half_width = (1 - share) * lower + share * upper
        hilum = 11 * np.exp(-(((y - 2) / 17) ** 2) - ((level - 0.54) / 0.08) ** 2)
        distance = np.abs(x - self.spine_shift * 0.5) - half_width - hilum
        distance = smooth_min(distance, ellipse(x, y, self.spine_centre(z), (25, 23)), 8)
        aorta = np.where(level < 0.76, ellipse(x, y, self.aorta_centre(z), (15.5, 15.5)), 99.0)
        distance = smooth_min(distance, aorta, 6)
        return smooth_min(distance, self.heart_surface(x, y, z) - 3, 10)

    def diaphragm(self, x, y):
        """Compute the height of the diaphragm at each point: two domes, the right one higher, and a saddle between."""
        domes = []
        for side, top in ((1, self.dome_right), (-1, self.dome_left)):
            outward = ((x - side * 60) / 74) ** 2 + ((y - 10) / 84) ** 2
            domes.append(top * self.height - self.dome_depth * outward)
        saddle = 0.27 * self.height - 40 * (np.abs(x) / 60) ** 2 - 30 * (y / 90) ** 2
        return np.maximum(np.maximum(np.maximum(*domes), saddle), 0.0)

    def lungs(self, x, y, z):
        """Measure the distance to both lungs. The right lung lies at x > 0."""
        distance = smooth_max(self.cavity(x, y, z) + PLEURA, -self.mediastinum(x, y, z), 7)
        outward = ((np.abs(x) - 47) / 62) ** 2 + ((y + self.backward(z) + 8) / 66) ** 2
        apex = (z - self.height * (1 - 0.27 * outward)) / 1.6
        above_diaphragm = (self.diaphragm(x, y) - z) / 1.4
        return smooth_max(smooth_max(distance, apex, 10), above_diaphragm, 6)
