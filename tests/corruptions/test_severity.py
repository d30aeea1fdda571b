"""Severities between whole numbers, parameters of one's own, and all severities at once."""

import numpy as np
import pytest

from corruptions import Corruption, CorruptionError, corrupt, ladder, names
from corruptions.registry import find
from corruptions.streams import random_stream


def halved(image, *, share):
    return (image * (1 - share)).astype(np.uint8)


HALVED = Corruption("halved", "light", halved, {"share": (0.1, 0.2, 0.4, 0.6, 0.9)})


@pytest.mark.parametrize("name", names("all"))
def test_a_ladder_is_its_single_calls(name, noise_image):
    severities = [3, 1, 0, 5, 4]
    for severity, level in zip(severities, ladder(noise_image, name, severities, 4, "k"), strict=True):
        assert np.array_equal(level, corrupt(noise_image, name, severity, 4, "k"))


def test_a_ladder_draws_once(noise_image):
    drawn = []

    def field(image, rng):
        drawn.append(rng.random_sample())
        return drawn[-1]

    def flat(image, *, shared, level):
        return np.full_like(image, int(100 * shared) + level)

    counted = Corruption("counted", "test", flat, {"level": (1, 2, 3, 4, 5)}, shared=field)
    levels = ladder(noise_image, counted, key=7)
    assert len(drawn) == 1
    assert drawn[0] == random_stream(0, "7", "counted", 1).random_sample()
    assert [level[0, 0, 0] - levels[0][0, 0, 0] for level in levels] == [0, 1, 2, 3, 4]


def test_numbers_between_two_severities_are_interpolated(noise_image):
    assert HALVED.parameters(2.25) == {"share": pytest.approx(0.25)}
    assert np.array_equal(corrupt(noise_image, HALVED, 2.25), halved(noise_image, share=0.25))
    assert find("gaussian_blur").parameters(4.5) == {"sigma": 5.0}
    # Whole pixels stay whole, because the function says so.
    assert find("motion_blur").parameters(1.5) == {"radius": 13, "sigma": 4.0}


@pytest.mark.parametrize("name", names("all"))
def test_a_fraction_lies_between_its_neighbours(name, noise_image):
    if name == "spatter":  # water turns to mud
        with pytest.raises(CorruptionError, match="'liquid' goes from 'water' to 'mud'"):
            corrupt(noise_image, name, 3.5)
    for severity in (1.0, np.float32(2), 5.0):
        assert np.array_equal(corrupt(noise_image, name, severity), corrupt(noise_image, name, int(severity)))
    assert corrupt(noise_image, name, 1.5).shape == noise_image.shape


def test_below_1_the_image_fades_in(noise_image):
    one = corrupt(noise_image, "fog", 1).astype(float)
    quarter = corrupt(noise_image, "fog", 0.25)
    assert np.abs(quarter - (0.75 * noise_image + 0.25 * one)).max() <= 0.5 + 1e-4
    with pytest.raises(CorruptionError, match="is of text and has nothing between severity 0 and 1"):
        corrupt("How many?", "typos", 0.5)


def test_parameters_of_one_s_own_replace_the_table(noise_image):
    expected = halved(noise_image, share=0.5)
    assert np.array_equal(corrupt(noise_image, HALVED, 1, params={"share": 0.5}), expected)
    assert np.array_equal(ladder(noise_image, HALVED, [4], params={"share": 0.5})[0], expected)
    with pytest.raises(CorruptionError, match=r"no parameter 'shar', it has: share   \(did you mean 'share'"):
        corrupt(noise_image, HALVED, 1, params={"shar": 0.5})


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "fog",
            {"strength": "high"},
            r"'strength' must be a number, as in \(1.5, 2, 2.5, 2.5, 3\), got 'high'",
        ),
        ("fog", {"strength": float("nan")}, "must be a number, .*got nan"),
        ("fog", {"strength": True}, "must be a number, .*got True"),
        ("jpeg_compression", {"quality": 12.5}, "'quality' must be a whole number, .*got 12.5"),
        ("spatter", {"liquid": "oil"}, "'liquid' must be one of: water, mud, got 'oil'"),
        ("gaussian_blur", {"sigma": -1}, r"'gaussian_blur' cannot work with \{'sigma': -1\}"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(noise_image, name, params, message):
    with pytest.raises(CorruptionError, match=message):
        corrupt(noise_image, name, 2, params=params)


def test_severities_are_several():
    with pytest.raises(CorruptionError, match="severities must be a sequence of numbers, got 3"):
        ladder(np.zeros((32, 32, 3), np.uint8), "fog", 3)  # type: ignore[arg-type]  # the mistake on trial


def test_what_a_type_needs_must_be_given_and_fit(noise_image):
    mask = np.zeros(noise_image.shape[:2], bool)
    with pytest.raises(CorruptionError, match="'occlude_object' needs mask=, a bool array"):
        corrupt(noise_image, "occlude_object", 2)
    with pytest.raises(CorruptionError, match="'background_swap' needs donor=, another image"):
        corrupt(noise_image, "background_swap", 2, mask=mask)
    for wrong in (mask[1:], mask.astype(np.uint8), [[True]]):
        with pytest.raises(CorruptionError, match=r"mask must be a bool array \[40, 56\], got"):
            corrupt(noise_image, "occlude_object", 2, mask=wrong)
    # A type that needs none does not look at it.
    assert np.array_equal(corrupt(noise_image, "fog", 1, mask="none"), corrupt(noise_image, "fog", 1))


def test_text_and_images_are_not_mixed_up(noise_image):
    with pytest.raises(CorruptionError, match="'typos' is of text and needs a string, got ndarray"):
        corrupt(noise_image, "typos", 1)
    with pytest.raises(CorruptionError, match=r"got builtins\.str"):
        corrupt("How many?", "fog", 1)
