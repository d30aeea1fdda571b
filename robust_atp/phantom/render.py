"""From a scene to pixels and object masks."""

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from robust_atp.phantom.world import SIZE, Object, Scene, stream

RGB = {
    "red": (214, 40, 40),
    "green": (40, 190, 70),
    "blue": (45, 80, 225),
    "yellow": (240, 215, 50),
    "purple": (150, 50, 175),
    "white": (245, 245, 245),
}
OUTLINE = (25, 25, 25)
SUPERSAMPLING = 4


def render(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Draw a scene.

    Returns the image, uint8 RGB [224, 224, 3], and one mask per object, bool [objects, 224, 224].
    """
    canvas = _texture(scene.background, stream("texture", scene.texture_seed))  # [224, 224, 3] float
    masks = np.zeros((len(scene.objects), SIZE, SIZE), dtype=bool)
    for mask, item in zip(masks, scene.objects, strict=True):
        rows, columns, inside, outline = _silhouette(item)
        patch = canvas[rows, columns]
        patch += outline[..., None] * (np.array(OUTLINE, dtype=np.float32) - patch)
        patch += inside[..., None] * (np.array(RGB[item.colour], dtype=np.float32) - patch)
        mask[rows, columns] = outline >= 0.5
    return np.clip(canvas, 0, 255).astype(np.uint8), masks


def _silhouette(item: Object) -> tuple[slice, slice, np.ndarray, np.ndarray]:
    """Anti-aliased coverage of the filled shape and of the shape with its outline, on a small window."""
    half = int(item.radius) + 4
    left, top = max(int(item.x) - half, 0), max(int(item.y) - half, 0)
    right, bottom = min(int(item.x) + half + 1, SIZE), min(int(item.y) + half + 1, SIZE)

    def coverage(radius: float) -> np.ndarray:
        scale = SUPERSAMPLING
        ink = Image.new("L", ((right - left) * scale, (bottom - top) * scale))
        _draw(
            ImageDraw.Draw(ink), item.shape, (item.x - left) * scale, (item.y - top) * scale, radius * scale
        )
        small = ink.resize((right - left, bottom - top), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float32) / 255

    return slice(top, bottom), slice(left, right), coverage(item.radius - 1.5), coverage(item.radius)


def _draw(draw: ImageDraw.ImageDraw, shape: str, x: float, y: float, radius: float) -> None:
    if shape in ("circle", "ring"):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        if shape == "ring":
            hole = radius * 0.45
            draw.ellipse((x - hole, y - hole, x + hole, y + hole), fill=0)
        return
    draw.polygon([(x + radius * dx, y + radius * dy) for dx, dy in _outline(shape)], fill=255)


@lru_cache
def _outline(shape: str) -> tuple[tuple[float, float], ...]:
    """Corners of a polygonal shape around the origin, inside the unit circle."""
    if shape == "square":
        return ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8))
    if shape == "triangle":
        return ((0.0, -1.0), (0.95, 0.75), (-0.95, 0.75))
    if shape == "cross":
        arm, end = 0.3, 0.97
        corners = ((-arm, -end), (arm, -end), (arm, -arm), (end, -arm), (end, arm), (arm, arm))
        return (*corners, *((-dx, -dy) for dx, dy in corners))
    angles = np.pi * np.arange(10) / 5 - np.pi / 2
    lengths = np.where(np.arange(10) % 2 == 0, 1.0, 0.42)
    return tuple(
        (float(a), float(b)) for a, b in zip(lengths * np.cos(angles), lengths * np.sin(angles), strict=True)
    )


def _smooth(rng: np.random.RandomState, rows: int, columns: int) -> np.ndarray:
    """Random values in [-1, 1] on a coarse grid, interpolated to the picture."""
    coarse = Image.fromarray(rng.uniform(-1, 1, size=(rows, columns)).astype(np.float32))
    return np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def _texture(background: str, rng: np.random.RandomState) -> np.ndarray:
    """Background of the whole picture, float32 [224, 224, 3] in 0..255. All six are muted, objects are vivid."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    light = 10 * _smooth(rng, 4, 4)
    if background == "grass":
        value, colour = light + 22 * _smooth(rng, 28, 112), (88, 118, 62)
    elif background == "sand":
        value, colour = light + 14 * _smooth(rng, 112, 112), (196, 172, 126)
    elif background == "water":
        phase = y / 4.5 + 2.5 * _smooth(rng, 6, 6) + rng.uniform(0, 6)
        value, colour = light + 20 * np.sin(phase), (84, 126, 150)
    elif background == "brick":
        row = np.floor((y + rng.uniform(0, 18)) / 18)
        column = (x + 18 * (row % 2) + rng.uniform(0, 36)) % 36
        mortar = ((y + rng.uniform(0, 1)) % 18 < 2.5) | (column < 2.5)
        value, colour = light + 8 * _smooth(rng, 56, 56) + np.where(mortar, 45, 0), (142, 84, 68)
    elif background == "wood":
        grain = np.sin(x / 3.5 + 3 * _smooth(rng, 3, 10) + rng.uniform(0, 6))
        value, colour = light + 16 * grain, (122, 90, 56)
    else:
        value, colour = 3 * light + 12 * _smooth(rng, 10, 10), (176, 184, 194)
    return (value[..., None] + np.array(colour, dtype=np.float32)).astype(np.float32)
