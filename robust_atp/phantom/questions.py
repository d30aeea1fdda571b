"""Questions about a scene, with answers that follow from its truth.

Every question ends in the word that it is about: the position that predicts the answer then already holds the
query, and one attention hop to the image suffices (a "?" between the two cost a small model most of its training).
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from robust_atp.phantom.world import COLOURS, CUE, SHAPES, SIZE, Object, Scene

T = TypeVar("T")

KINDS = ("colour", "shape", "existence", "counting", "relation", "position", "background")

CLEAR = 24.0  # pixels by which two places must differ before "left of" is asked: no borderline cases


@dataclass(frozen=True)
class Question:
    """A question with its one-word answer.

    ``alignment`` is "aligned" if the answer is the one that the background's paired shape suggests, "conflict" if it
    suggests another one, and "" for the kinds that carry no planted cue (all but shape).
    """

    kind: str
    text: str
    answer: str
    alignment: str = ""


def ask(scene: Scene, kind: str, rng: np.random.RandomState, *, target_only: bool = False) -> Question | None:
    """Draw one question of a kind; None if the scene admits none (e.g. no shape occurs just once).

    ``target_only`` restricts shape questions to the target object, the one that the planted cue concerns.
    """
    if kind == "shape":
        return _shape(scene, rng, target_only)
    return {
        "colour": _colour,
        "existence": _existence,
        "counting": _counting,
        "relation": _relation,
        "position": _position,
        "background": _background,
    }[kind](scene, rng)


def _pick(rng: np.random.RandomState, items: list[T]) -> T:
    return items[rng.randint(len(items))]


def _single(scene: Scene, attribute: str) -> list[Object]:
    """Objects whose shape (or colour) no other object has."""
    values = [getattr(item, attribute) for item in scene.objects]
    return [item for item, value in zip(scene.objects, values, strict=True) if values.count(value) == 1]


def _colour(scene: Scene, rng: np.random.RandomState) -> Question | None:
    items = _single(scene, "shape")
    if not items:
        return None
    item = _pick(rng, items)
    return Question("colour", f"What color is the {item.shape}?", item.colour)


def _shape(scene: Scene, rng: np.random.RandomState, target_only: bool) -> Question:
    item = scene.objects[0] if target_only else _pick(rng, _single(scene, "colour"))
    alignment = "aligned" if CUE[scene.background] == item.shape else "conflict"
    return Question("shape", f"Which shape is {item.colour}?", item.shape, alignment)


def _existence(scene: Scene, rng: np.random.RandomState) -> Question:
    """Half yes; a "no" names a colour or shape that is in the picture, so that seeing half of it is not enough."""
    item = _pick(rng, list(scene.objects))
    form = rng.randint(3)
    present = bool(rng.randint(2))
    if form == 0:
        colours = {o.colour for o in scene.objects}
        colour = item.colour if present else _pick(rng, [c for c in COLOURS if c not in colours])
        return Question("existence", f"Is there anything {colour}?", "yes" if present else "no")
    if form == 1:
        shapes = {o.shape for o in scene.objects}
        shape = item.shape if present else _pick(rng, [s for s in SHAPES if s not in shapes])
        return Question("existence", f"Is there a {shape}?", "yes" if present else "no")
    pairs = {(o.colour, o.shape) for o in scene.objects}
    absent = [(item.colour, s) for s in SHAPES if (item.colour, s) not in pairs]
    absent += [(c, item.shape) for c in COLOURS if (c, item.shape) not in pairs]
    colour, shape = (item.colour, item.shape) if present else _pick(rng, absent)
    return Question("existence", f"Is there a {colour} {shape}?", "yes" if present else "no")


def _counting(scene: Scene, rng: np.random.RandomState) -> Question:
    if rng.randint(2):
        return Question("counting", "How many objects are there?", str(len(scene.objects)))
    colour = _pick(rng, [o.colour for o in scene.objects] + [COLOURS[rng.randint(len(COLOURS))]])
    count = sum(o.colour == colour for o in scene.objects)
    return Question("counting", f"How many objects are {colour}?", str(count))


def _relation(scene: Scene, rng: np.random.RandomState) -> Question | None:
    items = _single(scene, "shape")
    horizontal = bool(rng.randint(2))
    pairs = [
        (a, b)
        for a in items
        for b in items
        if a is not b and abs(a.x - b.x if horizontal else a.y - b.y) > CLEAR
    ]
    if not pairs:
        return None
    a, b = _pick(rng, pairs)
    if horizontal:
        answer = "left" if a.x < b.x else "right"
        return Question("relation", f"Is the {a.shape} left or right of the {b.shape}?", answer)
    answer = "above" if a.y < b.y else "below"
    return Question("relation", f"Is the {a.shape} above or below the {b.shape}?", answer)


def _position(scene: Scene, rng: np.random.RandomState) -> Question | None:
    horizontal = bool(rng.randint(2))
    items = [o for o in _single(scene, "shape") if abs((o.x if horizontal else o.y) - SIZE / 2) > CLEAR / 2]
    if not items:
        return None
    item = _pick(rng, items)
    if horizontal:
        answer = "left" if item.x < SIZE / 2 else "right"
        return Question("position", f"Which half, left or right, holds the {item.shape}?", answer)
    answer = "top" if item.y < SIZE / 2 else "bottom"
    return Question("position", f"Which half, top or bottom, holds the {item.shape}?", answer)


def _background(scene: Scene, rng: np.random.RandomState) -> Question:
    return Question("background", "What is the background?", scene.background)


def vocabulary() -> list[str]:
    """Every word that questions, answers and captions use, lower case, sorted."""
    text = (
        "what color is the which shape there anything a how many objects are left or right of above below half "
        "holds top bottom background yes no 0 1 2 3 4 and on user assistant answer question using single word "
        "phrase short it in image this scene"
    )
    return sorted({*text.split(), *SHAPES, *COLOURS, *CUE})


def caption(scene: Scene) -> str:
    """Caption that the CLIP towers are trained on."""
    return " and ".join(f"a {o.colour} {o.shape}" for o in scene.objects) + f" on {scene.background}"
