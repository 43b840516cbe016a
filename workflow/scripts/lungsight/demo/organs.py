"""Paint what lies around the lungs, from the outside to the inside: table, chest wall, skeleton, organs."""

import numpy as np

from lungsight.demo.body import Body
from lungsight.demo.canvas import Canvas, bone
from lungsight.demo.fields import coverage, ellipse, smooth_min, smooth_step

FAT, MUSCLE, BLOOD = -100.0, 52.0, 42.0
AIRWAY_WALL = 1.6  # mm


def paint_table(canvas: Canvas, body: Body, flat: bool) -> None:
    """Paint the couch under the patient's back: foam between two thin shells."""
    x, y = canvas.axis_x[:, None], canvas.axis_y[None, :]
    sag = 0.0 if flat else 520.0 - np.sqrt(np.maximum(520.0**2 - x**2, 0))
    depth = -(body.half_depth + (4.0 if flat else 9.0)) + sag - y
    thickness = 34.0 if flat else 24.0
    half_width = 205.0 if flat else 195.0
    inside = np.maximum(np.abs(depth - thickness / 2) - thickness / 2, np.abs(x) - half_width)
    canvas.blend(coverage(inside, canvas.pixel), -930.0)
    canvas.blend(coverage(np.abs(inside + 1.5) - 1.5, canvas.pixel), -180.0)


def paint_wall(canvas: Canvas, body: Body, strands: np.ndarray) -> None:
    """Paint skin, fat and muscle of the chest wall. strands: a random field (n, m)."""
    x, y, z = canvas.x, canvas.y, canvas.z
    level = body.level(z)
    skin = np.clip(canvas.distance(body.skin(x, y, z)), -60, 60)
    canvas.blend(coverage(skin, canvas.pixel), 10.0)
    canvas.blend(coverage(skin + 2.0, canvas.pixel), FAT - 5 + 7 * strands)
    if body.breast:
        for side in (1, -1):
            gland = ellipse(x, y, (side * 0.46 * body.half_width, body.half_depth * 0.84), (26, 9), -0.25 * side)
            size = np.exp(-(((level - 0.42) / 0.12) ** 2))
            canvas.paint(np.maximum(gland + 16 * (1 - size) + 5 * strands, skin + 5), 20.0)
    cavity = body.cavity(x, y, z)
    front = np.arctan2(np.abs(x), y)  # 0 in front, π behind
    upper = smooth_step(0.45, 0.75, level)
    thickness = (
        body.wall * 0.62
        + 9 * np.exp(-(((front - 2.25) / 0.35) ** 2)) * (0.4 + 0.6 * upper)
        + 15 * upper * np.exp(-(((front - 0.75) / 0.4) ** 2))
        + 26 * smooth_step(0.8, 1.05, level) * np.exp(-(((front - 1.75) / 0.7) ** 2))
    )
    muscle = cavity - thickness
    spine = body.spine_centre(z)
    for side in (1, -1):
        erector = ellipse(x, y, (spine[0] + side * 31, spine[1] - 44), (28, 19), angle=0.35 * side)
        muscle = smooth_min(muscle, erector, 8)
    # A layer of fat stays between muscle and skin.
    muscle = np.maximum(muscle, skin + 0.45 * body.fat + 2)
    canvas.paint(muscle, MUSCLE + 6 * strands)
    # Planes of fat between the muscles.
    planes = np.abs(cavity - 0.66 * thickness - 4 * strands) - 0.9
    canvas.paint(np.maximum(planes, muscle + 4), -40.0, within=0.75 * smooth_step(-0.6, 0.9, strands))


def paint_ribs(canvas: Canvas, body: Body) -> None:
    """Paint the ribs, which descend from the spine to the front, where cartilage takes over."""
    x, y, z = canvas.x, canvas.y, canvas.z
    depth = body.cavity(x, y, z)
    around = np.arctan2(np.abs(x), -(y + body.backward(z))) / np.pi  # 0 behind, 1 in front
    fall = 78 * smooth_step(0.02, 0.95, around) * (body.height / 240)
    order = (z + fall - body.height * 1.02) / body.rib_spacing + body.rib_phase
    number = np.round(order)
    off = (order - number) * body.rib_spacing
    rib = (np.sqrt((off / 7.0) ** 2 + ((depth - 6.5) / 4.6) ** 2) - 1) * 4.6
    bony = (number <= 0) & (number > -11) & (around < np.where(number > -7, 0.8, 0.62)) & (around > 0.1)
    canvas.blend(coverage(np.where(bony, rib, 99.0), canvas.pixel), bone(560, 230, 1.6)(rib))
    cartilage = (number <= 0) & (number > -9) & (around >= np.where(number > -7, 0.8, 0.62)) & (around < 0.95)
    canvas.blend(coverage(np.where(cartilage, rib, 99.0), canvas.pixel), 95.0)


def paint_front_bones(canvas: Canvas, body: Body) -> None:
    """Paint the sternum, clavicles, scapulae and the heads of the humeri."""
    level = body.level(canvas.z)
    front = float(_front_of_cavity(body, canvas.z))
    if 0.26 < level < 1.0:
        width = float(np.interp(level, (0.26, 0.35, 0.72, 0.82, 1.0), (7, 16, 15, 27, 24)))
        canvas.ellipse((0.0, front + 7.5), (width, 7.0), bone(430, 120, 2.0))
    for side in (1, -1):
        if level > 0.9:
            rise = (level - 0.9) / 0.25
            inner = (side * (20 + 40 * rise), front + 6 - 8 * rise)
            outer = (side * (52 + 75 * rise), front - 2 - 22 * rise)
            canvas.capsule(inner, outer, 5.5, bone(600, 230, 2.0))
        if level > 0.5:
            size = float(smooth_step(0.5, 0.62, level))
            lateral = body.cavity_half_width * 0.88 + 14 * level
            start = (side * lateral * 0.62, -body.cavity_half_depth - 8 + 14 * level)
            end = (side * (lateral + 12), -body.cavity_half_depth * 0.42)
            middle = (start[0] + size * (end[0] - start[0]), start[1] + size * (end[1] - start[1]))
            canvas.capsule(start, middle, 2.6, bone(520, 260, 1.2))
            if level > 0.78:
                canvas.ellipse(end, (9, 7), bone(560, 240, 2.0), angle=0.6 * side)
                canvas.capsule(end, (end[0] - side * 14, end[1] - 26), 3.0, bone(520, 260, 1.2))
        if level > 0.97:
            size = float(smooth_step(0.95, 1.08, level))
            canvas.ellipse((side * (body.half_width * 0.93), -8.0), (23 * size, 22 * size), bone(580, 230, 2.5))


def _front_of_cavity(body: Body, z: float) -> float:
    """Locate the inner chest wall in the midline: y in mm."""
    y = np.linspace(0, body.half_depth, 80)
    return float(np.interp(0.0, body.cavity(np.zeros_like(y), y, np.full_like(y, z)), y))


def paint_spine(canvas: Canvas, body: Body) -> np.ndarray:
    """Paint a vertebra or a disc, with arch, processes and canal; return the pixels of the spinal cord, bool (n, m)."""
    x, y = body.spine_centre(canvas.z)
    phase = (canvas.z / 24.0 + body.rib_phase) % 1.0
    disc = smooth_step(0.72, 0.82, phase) * (1 - smooth_step(0.94, 1.0, phase))
    size = float(np.interp(body.level(canvas.z), (-0.1, 0.5, 1.1), (1.1, 1.0, 0.82)))
    canal = (x, y - 22.5 * size)
    cortex, marrow = 520 - 380 * disc, 180 - 85 * disc
    arch = float(1 - 0.75 * disc)
    canvas.ellipse(canal, (14.5 * size, 13.5 * size), bone(470, 240, 2.0), share=arch)
    canvas.capsule((x, canal[1] - 11), (x, canal[1] - 27 * size), 3.4, bone(480, 240, 1.5), share=arch)
    for side in (1, -1):
        tip = (x + side * 34 * size, canal[1] - 9)
        canvas.capsule((x + side * 11, canal[1] - 4), tip, 4.2, bone(480, 230, 1.8), share=arch)
    canvas.ellipse((x, y), (18.5 * size, 14.5 * size), bone(float(cortex), float(marrow), 2.0))
    canvas.ellipse(canal, (9.5 * size, 8.5 * size), 12.0)
    canvas.ellipse(canal, (6.0, 4.6), 42.0)
    return ellipse(canvas.x, canvas.y, canal, (6.0, 4.6)) < 0


def paint_mediastinum(canvas: Canvas, body: Body, strands: np.ndarray) -> None:
    """Paint fat, heart, great vessels and oesophagus, and at the top the vessels and muscles of the neck."""
    x, y, z = canvas.x, canvas.y, canvas.z
    level = body.level(z)
    neck = smooth_step(0.93, 1.08, level)
    fill = FAT + 12 + 10 * strands + 130 * neck * smooth_step(-0.7, 0.3, strands)
    canvas.paint(body.cavity(x, y, z) + 0.5, fill)
    heart = body.heart_surface(x, y, z)
    if (heart < 0).any():
        canvas.paint(heart + 4 + 1.5 * strands, BLOOD + 3 * strands)
        canvas.paint(np.abs(heart + 1.2) - 0.7, 20.0, within=0.6)
    _paint_great_vessels(canvas, body)
    spine = body.spine_centre(z)
    if level < 1.1:
        gullet = (spine[0] - 7 - 8 * (level < 0.25), spine[1] + 29)
        canvas.ellipse(gullet, (8.5, 6.0), 36.0)
        if int(z / 9 + 10 * body.rib_phase) % 3 == 0:
            canvas.ellipse(gullet, (3.0, 2.0), -600.0)


def _paint_great_vessels(canvas: Canvas, body: Body) -> None:
    """Paint aorta, vena cava, pulmonary arteries and the vessels above the arch."""
    z, level = canvas.z, float(body.level(canvas.z))
    spine_x, spine_y = body.spine_centre(z)
    aorta = body.aorta_centre(z)
    arch_front = (12.0, 0.2 * body.cavity_half_depth)
    if level < 0.76:
        canvas.ellipse(aorta, (13, 13), BLOOD)
        if level > 0.2:
            canvas.ellipse((spine_x + 8, spine_y + 19), (4, 4), BLOOD - 4)
    if 0.5 < level < 0.72:
        canvas.ellipse(arch_front, (16.5, 16.5), BLOOD + 2)
    if 0.71 < level < 0.79:
        canvas.capsule(arch_front, aorta, 13 * np.sqrt(max(1 - ((level - 0.745) / 0.05) ** 2, 0.05)), BLOOD + 2)
    if 0.53 < level < 0.66:
        trunk = (-16.0, 0.3 * body.cavity_half_depth)
        canvas.ellipse(trunk, (15, 14), BLOOD)
        if level < 0.62:
            canvas.capsule(trunk, (36.0, 2.0), 8.5, BLOOD)
            canvas.capsule(trunk, (-40.0, -6.0), 8.0, BLOOD)
    if 0.46 < level < 0.86:
        canvas.ellipse((26.0, 0.14 * body.cavity_half_depth), (9.5, 9.0), BLOOD - 3)
    if 0.4 < level < 0.56:
        for side in (1, -1):
            canvas.capsule((side * 18.0, -4.0), (side * 42.0, -10.0), 7.0, BLOOD)
    if level > 0.77:
        spread = 1 + 1.1 * max(level - 0.85, 0) / 0.2
        for centre, radius in (((15, 10), 7), ((-9, 12), 5), ((-17, 0), 5.5), ((24, 16), 7.5), ((-26, 20), 7)):
            canvas.ellipse((centre[0] * spread, centre[1] - body.backward(z)), (radius, radius), BLOOD)
    if level > 1.04:
        for side in (1, -1):
            canvas.ellipse((side * 20, 12 - body.backward(z)), (9, 14), 95.0)


def airways(canvas: Canvas, body: Body) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Locate the trachea or the main bronchi in this plane, as (centre, radii) in mm."""
    level = float(body.level(canvas.z))
    carina = 0.64
    x, y = 1.0, -6.0 - body.backward(canvas.z) * 0.8
    if level > carina:
        return [((x, y), (8.8, 8.2))]
    below = (carina - level) * body.height
    if below > 30:
        return []
    return [
        ((x + 7 + 0.75 * below, y - 0.15 * below), (8.5, 6.3)),
        ((x - 7 - 0.95 * below, y - 0.15 * below), (8.2, 5.6)),
    ]


def airway_distance(canvas: Canvas, body: Body) -> np.ndarray:
    """Measure the distance to the outer wall of trachea and main bronchi; large where there are none."""
    outside = np.full(canvas.x.shape, 99.0)
    for centre, radii in airways(canvas, body):
        wall = (radii[0] + AIRWAY_WALL, radii[1] + AIRWAY_WALL)
        outside = np.minimum(outside, ellipse(canvas.x, canvas.y, centre, wall))
    return outside


def paint_airways(canvas: Canvas, body: Body) -> None:
    """Paint the air of trachea and main bronchi and their thin wall."""
    for centre, radii in airways(canvas, body):
        canvas.ellipse(centre, (radii[0] + AIRWAY_WALL, radii[1] + AIRWAY_WALL), 25.0)
        canvas.ellipse(centre, radii, -985.0)


def paint_abdomen(canvas: Canvas, body: Body, strands: np.ndarray) -> None:
    """Paint what lies below the diaphragm: liver, stomach with gas, spleen, kidneys, bowel."""
    x, y, z = canvas.x, canvas.y, canvas.z
    below = (z - body.diaphragm(x, y)) / 1.4
    if not (below < 0).any():
        return
    region = np.maximum(below, body.cavity(x, y, z) + 0.5)
    within = coverage(canvas.distance(region), canvas.pixel)
    canvas.blend(within, FAT - 4 + 8 * strands)
    width, depth = body.cavity_half_width, body.cavity_half_depth

    spleen = ellipse(x, y, (-0.66 * width, -0.42 * depth), (0.2 * width, 0.42 * depth), angle=0.35)
    canvas.paint(spleen + 2.5 * strands, 50.0, within)
    stomach = ellipse(x, y, (-0.44 * width, 0.3 * depth), (0.36 * width, 0.42 * depth), angle=-0.3)
    canvas.paint(stomach + 3 * strands, 38.0, within)
    gas = np.maximum(stomach + 6, 0.42 * depth - y)
    canvas.paint(gas, -960.0, within)
    edge = x + 18 + 0.5 * (y - 0.1 * depth) * (y < 0) - 0.16 * (y + depth)
    liver = smooth_min(-edge, ellipse(x, y, (-8.0, 0.55 * depth), (46, 24)), 14)
    canvas.paint(np.maximum(liver, body.cavity(x, y, z) + 5) + 1.5 * strands, 58 + 4 * strands, within)
    cava = (22.0, body.spine_centre(z)[1] + 27)
    canvas.ellipse(cava, (12, 10), BLOOD)
    canvas.ellipse(body.aorta_centre(z), (11.5, 11.5), BLOOD)
    if body.level(z) < 0.02:
        for side in (1, -1):
            canvas.ellipse((side * 58, body.spine_centre(z)[1] - 6), (22, 27), 33.0, angle=0.5 * side)
    colon = ellipse(x, y, (-0.72 * width, 0.3 * depth), (0.17 * width, 0.26 * depth), angle=0.3)
    low = 1 - smooth_step(0.02, 0.18, body.level(z))
    if low > 0:
        canvas.paint(colon + 12 * (1 - low), 30.0, within)
        canvas.paint(colon + 5 + 12 * (1 - low) + 3 * strands, -880.0, within)
