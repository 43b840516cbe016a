"""Grow the vessels of the lungs: trees from the hilum to points spread through each lung."""

from dataclasses import dataclass

import numpy as np

from lungsight.demo.body import Body
from lungsight.demo.canvas import Canvas
from lungsight.demo.fields import capsule, coverage

TWIG_RADIUS = 0.6  # mm
PIECES = 4  # straight pieces of a branch
MURRAY = 1 / 2.5  # a branch's radius grows with the number of twigs behind it to this power
AIRWAY_FROM = 2.2  # mm: vessels thicker than this have a visible bronchus beside them


@dataclass(frozen=True)
class Vessels:
    """Straight pieces of vessels: start and end (n, 3) in mm, radius (n,) in mm."""

    start: np.ndarray
    end: np.ndarray
    radius: np.ndarray


def points_in_lung(body: Body, side: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Spread points evenly through one lung (side 1: right, −1: left), 5 mm or more below its surface: (count, 3)."""
    accepted: list[np.ndarray] = []
    while sum(map(len, accepted)) < count:
        share = rng.random((4 * count, 3))
        points = np.column_stack(
            [
                side * share[:, 0] * body.cavity_half_width,
                (2 * share[:, 1] - 1) * body.cavity_half_depth,
                share[:, 2] * body.height,
            ]
        )
        accepted.append(points[body.lungs(*points.T) < -5])
    return np.concatenate(accepted)[:count]


def grow_tree(root: np.ndarray, points: np.ndarray, detour: float) -> Vessels:
    """Connect points to a tree, nearest to the root first, each to the node that costs least.

    The cost is the distance to a node plus `detour` × the way from that node to the root. Radii follow Murray's law
    from the number of twigs behind each branch.

    Parameters
    ----------
    root : (3,) array
        mm.
    points : (n, 3) array
        mm.
    detour : float
        0 gives the shortest tree, 1 a star.
    """
    points = points[np.argsort(np.linalg.norm(points - root, axis=1), kind="stable")]
    nodes = np.vstack([root, points])
    parent = np.zeros(len(nodes), dtype=int)
    way = np.zeros(len(nodes))
    for number in range(1, len(nodes)):
        steps = np.linalg.norm(nodes[:number] - nodes[number], axis=1)
        parent[number] = np.argmin(steps + detour * way[:number])
        way[number] = way[parent[number]] + steps[parent[number]]
    twigs = np.ones(len(nodes))
    for number in range(len(nodes) - 1, 0, -1):
        twigs[parent[number]] += twigs[number]
    return _bend(nodes, parent, TWIG_RADIUS * twigs**MURRAY)


def _bend(nodes: np.ndarray, parent: np.ndarray, radius: np.ndarray) -> Vessels:
    """Bend branches to pieces of cubic Hermite curves: a branch leaves its node in the direction of its parent."""
    start, end = nodes[parent[1:]], nodes[1:]
    step = end - start
    came = np.vstack([step[:1], step])[parent[1:]]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    came = came / np.maximum(np.linalg.norm(came, axis=1, keepdims=True), 1e-9) * length
    share = np.linspace(0, 1, PIECES + 1)[:, None, None]
    curve = (
        (2 * share**3 - 3 * share**2 + 1) * start
        + (share**3 - 2 * share**2 + share) * came
        + (3 * share**2 - 2 * share**3) * end
        + (share**3 - share**2) * step
    )
    return Vessels(curve[:-1].reshape(-1, 3), curve[1:].reshape(-1, 3), np.tile(radius[1:], PIECES))


def grow_vessels(body: Body, rng: np.random.Generator, count: int = 650) -> Vessels:
    """Grow arteries, which bronchi accompany, and veins in both lungs."""
    trees = []
    for side in (1, -1):
        for root, share in (((side * 38.0, -4.0, 0.54), 0.6), ((side * 30.0, 2.0, 0.44), 0.4)):
            points = points_in_lung(body, side, int(count * share), rng)
            trees.append(grow_tree(np.array([*root[:2], root[2] * body.height]), points, rng.uniform(0.5, 0.7)))
    return Vessels(*(np.concatenate([getattr(tree, name) for tree in trees]) for name in ("start", "end", "radius")))


def _within_slab(vessels: Vessels, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the pieces to what lies between two heights: start and end (n, 3), radius (n,)."""
    rise = vessels.end[:, 2] - vessels.start[:, 2]
    steep = np.where(np.abs(rise) < 1e-6, 1e-6, rise)
    enter, leave = (low - vessels.start[:, 2]) / steep, (high - vessels.start[:, 2]) / steep
    first, last = np.maximum(np.minimum(enter, leave), 0), np.minimum(np.maximum(enter, leave), 1)
    near = first < last
    step = (vessels.end - vessels.start)[near]
    start = vessels.start[near] + first[near, None] * step
    return start, vessels.start[near] + last[near, None] * step, vessels.radius[near]


def vessel_shares(canvas: Canvas, vessels: Vessels, thickness: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the shares of each pixel that are vessel, bronchial wall and bronchial air: three (n, m) arrays."""
    blood, wall, air = (np.zeros(canvas.x.shape) for _ in range(3))
    margin = thickness / 2
    for start, end, radius in zip(*_within_slab(vessels, canvas.z - margin, canvas.z + margin), strict=True):
        reach = 3 * radius + 3
        part = canvas.window(
            min(start[0], end[0]) - reach,
            max(start[0], end[0]) + reach,
            min(start[1], end[1]) - reach,
            max(start[1], end[1]) + reach,
        )
        x, y = canvas.x[part], canvas.y[part]
        # A vessel thinner than the slab or the pixel fills them only in part.
        filled = min(1.0, (1.6 * radius + abs(end[2] - start[2])) / thickness) * min(1.0, 2 * radius / canvas.pixel)
        distance = capsule(x, y, start[:2], end[:2], radius)
        np.maximum(blood[part], filled * coverage(distance, canvas.pixel), out=blood[part])
        if radius > AIRWAY_FROM:
            beside = np.array([0.0, 1.9 * radius])
            bronchus = capsule(x, y, start[:2] + beside, end[:2] + beside, 0.62 * radius)
            np.maximum(wall[part], 0.5 * coverage(bronchus - 1.0, canvas.pixel), out=wall[part])
            np.maximum(air[part], coverage(bronchus, canvas.pixel), out=air[part])
    return blood, wall, air
