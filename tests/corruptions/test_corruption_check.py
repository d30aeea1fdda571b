"""Each rule of the contract check must catch the type that breaks it."""

import itertools
import random
import re

import numpy as np
import pytest

from corruptions import Corruption
from corruptions.check import check, rules_for

counter = itertools.count()


def in_place(image, *, level):
    image[0] = level
    return image


def global_numpy(image, *, level):
    return image ^ np.uint8(np.random.randint(1, 255))  # noqa: NPY002


def global_python(image, *, level):
    return image ^ np.uint8(random.randint(1, 255))


def unseeded(image, *, level):
    return image ^ np.random.default_rng().integers(1, 255, image.shape, dtype=np.uint8)


def stateful(image, *, level):
    return image ^ np.uint8(next(counter) % 255)


def floats(image, *, level):
    return image / 255


def square_only(image, *, level):
    return np.rot90(image).copy()


def divides(image, *, level):
    return (image / image.max() * 200).astype(np.uint8)


def ignores_its_stream(image, *, rng, level):
    return 255 - image


def idle(image, *, level):
    return image


def draws(image, rng):
    return rng.randint(1, 255, image.shape).astype(np.uint8)


def wears_out(image, *, shared, level):
    shared //= 2
    return image ^ shared


SIZE = "uint8 [H, W, 3] in and out at any size from 32 px"


@pytest.mark.parametrize(
    ("function", "broken", "problem"),
    [
        (in_place, "the input is not changed", "changes the image"),
        (global_numpy, "global random state is left alone", "draws from numpy.random"),
        (global_python, "global random state is left alone", "draws from random"),
        (unseeded, "the same call gives the same result", "differs when it is called again"),
        (stateful, "the same call gives the same result", "differs when it is called again"),
        (floats, SIZE, "returned float64"),
        (square_only, SIZE, r"must return uint8 \[33, 47, 3\], returned uint8 \[47, 33, 3\]"),
        (divides, "black, grey and white images pass without a warning", "RuntimeWarning"),
        (ignores_its_stream, "a random type depends on the seed", "same results for 8 seeds"),
        (idle, "every severity changes a textured image", "severity 1 leaves the image unchanged"),
        (
            lambda image, *, level: 255 - image,
            "can be sent to a worker process",
            "PicklingError|AttributeError",
        ),
    ],
)
def test_a_broken_rule_is_found(function, broken, problem):
    corruption = Corruption("broken", "test", function, {"level": (1,) * 5})
    verdicts = {verdict.rule: verdict for verdict in check(corruption)}
    assert list(verdicts) == [rule for rules in rules_for(corruption) for rule in rules]
    assert not verdicts[broken].passed
    assert re.search(problem, verdicts[broken].problem)


def test_changing_what_the_severities_share_is_found():
    worn = Corruption("worn", "test", wears_out, {"level": (1,) * 5}, shared=draws)
    (verdict,) = [verdict for verdict in check(worn) if verdict.problem and not verdict.advice]
    assert verdict.rule == "a ladder is its single calls"


def test_a_ladder_that_turns_back_is_said_and_forgiven():
    verdicts = {verdict.rule: verdict for verdict in check("saturate")}
    turned = verdicts["each severity is further from the image than the one before"]
    assert turned.passed
    assert re.search(r"severity 3 \(\d+\.\d dB\) is nearer to the image than 2", turned.problem)


def test_a_name_is_looked_up():
    assert all(verdict.passed for verdict in check("corruptions.digital:contrast"))
