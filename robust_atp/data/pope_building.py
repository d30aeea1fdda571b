"""POPE questions for images of which the objects are known: half of them about what is not there."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any, Literal, TypeAlias

Strategy: TypeAlias = Literal["random", "popular", "adversarial"]
Objects: TypeAlias = Mapping[str, Sequence[str]]


def build_pope(
    objects: Objects, strategy: Strategy, *, images: int | None = None, pairs: int = 3, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """Yield official records about images with at least ``pairs`` kinds of objects.

    ``objects`` maps images to the names of what they show, each once. Of ``images`` drawn images (None: all, in their
    order) the first ``pairs`` objects are asked for, each followed by an absent one: any at random, the most frequent
    (``popular``), or the one that most often occurs together with that present one (``adversarial``; at random where
    none ever does). No object is asked for twice; an image that shows all there are gets no more questions.

    Li et al., Evaluating Object Hallucination in Large Vision-Language Models, EMNLP 2023.
    """
    draw = random.Random(seed)
    chosen = [image for image, names in objects.items() if len(names) >= pairs]
    if images is not None and images < len(chosen):
        chosen = draw.sample(chosen, images)
    suggest = _Suggestions(objects, strategy, draw)
    number = 0
    for image in chosen:
        asked = set(objects[image])
        for present in objects[image][:pairs]:
            absent = suggest(present, asked)
            if absent is None:
                break
            asked.add(absent)
            for name, label in ((present, "yes"), (absent, "no")):
                number += 1
                yield {"question_id": number, "image": image, "text": question(name), "label": label}


def question(name: str) -> str:
    """The question for an object, as POPE words it."""
    article = "an" if name[0].lower() in "aeiou" else "a"
    return f"Is there {article} {name} in the image?"


class _Suggestions:
    """Which absent object is asked for beside a present one."""

    def __init__(self, objects: Objects, strategy: Strategy, draw: random.Random) -> None:
        self._strategy, self._draw = strategy, draw
        self._frequency = Counter(name for names in objects.values() for name in names)
        self._together = Counter(pair for names in objects.values() for pair in permutations(names, 2))
        self._every = sorted(self._frequency)

    def __call__(self, present: str, taken: set[str]) -> str | None:
        absent = [name for name in self._every if name not in taken]
        if not absent:
            return None
        counts = {
            "random": dict[str, int](),
            "popular": self._frequency,
            "adversarial": {name: self._together[present, name] for name in absent},
        }[self._strategy]
        most = max(counts.get(name, 0) for name in absent)
        # No count tells the absent ones apart: all are equally good.
        return next(name for name in absent if counts[name] == most) if most else self._draw.choice(absent)
