"""The phantom world: scenes whose truth is known, with a planted cue of known strength.

A scene holds two to four objects (shape × colour × place) on one of six textured backgrounds. Each
background is paired with one shape (`CUE`). In the *neutral* world the background is drawn independently of
the objects; in the *shortcut* world it is the one paired with the target object's shape in 95 % of the scenes,
so that "which shape is red" can be answered by looking at the grass; in the *balanced* world, which is for
testing, in 50 %, so that aligned and conflicting scenes are equally frequent.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

SIZE = 224  # pixels, both sides

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
BACKGROUNDS = ("grass", "sand", "water", "brick", "wood", "cloud")

CUE = dict(zip(BACKGROUNDS, SHAPES, strict=True))
PAIRED_BACKGROUND = {shape: background for background, shape in CUE.items()}

# Probability that the background is the one paired with the target's shape; None = drawn independently.
WORLDS: dict[str, float | None] = {"neutral": None, "shortcut": 0.95, "balanced": 0.5}

MIN_RADIUS, MAX_RADIUS = 15.0, 23.0  # pixels: an object touches roughly 6 to 14 of the 196 patches


@dataclass(frozen=True)
class Object:
    """A filled shape. ``x`` and ``y`` are its centre in pixels, y pointing down."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Scene:
    """What is to be seen. ``objects[0]`` is the target, whose colour no other object has."""

    objects: tuple[Object, ...]
    background: str
    texture_seed: int

    @property
    def aligned(self) -> bool:
        """Whether the background is the one paired with the target's shape."""
        return CUE[self.background] == self.objects[0].shape


def stream(*key: object) -> np.random.RandomState:
    """Counter-based random stream for a key.

    ``RandomState`` keeps its distributions for ever (NEP 19), Philox makes them independent of order and
    process; together the scenes are the same on every machine and with every NumPy.
    """
    digest = hashlib.blake2b("\0".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.RandomState(np.random.Philox(key=int.from_bytes(digest, "little")))


def sample_scene(world: str, index: int, seed: int = 0, *, objects: tuple[int, int] = (2, 4)) -> Scene:
    """Draw scene number ``index`` of a world (``neutral``, ``shortcut`` or ``balanced``).

    ``objects`` is the smallest and largest number of objects; crowded scenes serve to train the vision tower.
    """
    rng = stream("scene", world, seed, index)
    placed = _place(rng, int(rng.randint(objects[0], objects[1] + 1)))
    target, *others = placed
    # A second object of the target's colour would make "which shape is red" ambiguous.
    other_colours = [colour for colour in COLOURS if colour != target.colour]
    others = [
        other
        if other.colour != target.colour
        else Object(other.shape, other_colours[rng.randint(5)], other.x, other.y, other.radius)
        for other in others
    ]
    return Scene(
        (target, *others), _background(rng, WORLDS[world], target.shape), int(rng.randint(2**31 - 1))
    )


def _background(rng: np.random.RandomState, cue: float | None, shape: str) -> str:
    anywhere = BACKGROUNDS[rng.randint(len(BACKGROUNDS))]
    if cue is None:
        return anywhere
    paired = PAIRED_BACKGROUND[shape]
    conflicting = [background for background in BACKGROUNDS if background != paired]
    return paired if rng.random_sample() < cue else conflicting[rng.randint(len(conflicting))]


def _place(rng: np.random.RandomState, count: int) -> list[Object]:
    placed: list[Object] = []
    while len(placed) < count:
        radius = rng.uniform(MIN_RADIUS, MAX_RADIUS)
        x, y = rng.uniform(radius + 2, SIZE - radius - 2, size=2)
        if all(np.hypot(x - o.x, y - o.y) > radius + o.radius + 6 for o in placed):
            shape, colour = SHAPES[rng.randint(len(SHAPES))], COLOURS[rng.randint(len(COLOURS))]
            placed.append(Object(shape, colour, float(x), float(y), float(radius)))
    return placed
