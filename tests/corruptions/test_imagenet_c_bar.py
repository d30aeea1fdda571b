"""The ten types of ImageNet-C-bar against their formulas, written down pixel by pixel."""

import math

import numpy as np
import pytest

from corruptions import corrupt, ladder, names
from corruptions.perlin import gradient_noise
from corruptions.registry import find
from corruptions.spectral import blue_noise, brown_noise

SIZE = (36, 44)


@pytest.fixture
def grey():
    return np.full((*SIZE, 3), 120, np.uint8)


def stream(key=5):
    return np.random.RandomState(np.random.Philox(key=key))


def shared(name, image, key=5):
    draw = find(name).shared
    assert draw is not None
    return draw(image, stream(key))


def test_the_severities_are_those_of_the_published_set():
    """Levels of imagenet_c_bar.csv, on a scale of 10, times the largest value of each parameter."""
    levels: dict[str, tuple[str, float, list[float]]] = {
        "inverse_sparkles": ("falloff", 65 / 50, [1, 2, 4, 9, 10]),
        "sparkles": ("radius", 0.1, [1, 2, 3, 5, 6]),
        "perlin_noise": ("opacity", 0.5, [4.6, 5.2, 5.8, 7.6, 8.8]),
        "plasma_noise": ("strength", 64, [4.75, 7, 8.5, 9.25, 10]),
        "checkerboard_cutout": ("share", 1, [2, 3, 4, 5, 6]),
        "cocentric_sine_waves": ("strength", 128, [3, 5, 8, 9, 10]),
        "single_frequency_greyscale": ("strength", 196, [1, 1.5, 2, 4.5, 5]),
        "brownish_noise": ("strength", 64, [1, 2, 3, 4, 5]),
        "caustic_refraction": ("strength", 1, [2.35, 3.2, 4.9, 6.6, 9.15]),
    }
    for name, (parameter, largest, level) in levels.items():
        assert find(name).severity[parameter] == pytest.approx([largest * x / 10 for x in level]), name
    published = [3 * x / 10 - 2.5 for x in (0.8, 1.6, 2.4, 4, 5.6)]
    assert find("blue_noise_sample").severity["threshold"] == pytest.approx(published)
    assert len(names("imagenet_c_bar")) == len(levels) + 1


def test_a_grating_is_one_plane_wave(grey):
    wave = shared("single_frequency_greyscale", grey)
    rng = stream()
    first = rng.uniform(-math.pi, math.pi)
    along, across = rng.permutation([first, rng.uniform(-abs(first), abs(first))])
    phase = rng.uniform(0, 2 * math.pi)
    naive = [[math.sin(along * x + across * y + phase) for x in range(SIZE[1])] for y in range(SIZE[0])]
    assert np.allclose(wave, naive, atol=1e-4)
    result = corrupt(grey, "single_frequency_greyscale", 3, key="k").astype(float)
    assert abs(np.abs(result - 120).max() - 39.2) < 3


def test_rings_are_saw_teeth_around_a_point(grey):
    field = shared("cocentric_sine_waves", grey)
    rng = stream()
    y0, x0 = rng.uniform(0, SIZE[0]), rng.uniform(0, SIZE[1])
    ripples, amplitude, width = rng.uniform(0, [10, min(SIZE) / 10, min(SIZE) / 10])
    for y, x in ((0, 0), (35, 43), (10, 20), (17, 3)):
        radius = math.hypot(y - y0, x - x0) + math.sin(ripples * math.atan2(y - y0, x - x0)) * amplitude
        distance = abs(field[y, x] - (radius / width % 1 - 0.5))
        assert min(distance, 1 - distance) < 1e-4


def test_plasma_follows_its_iteration(grey):
    colours = shared("plasma_noise", grey)
    rng = stream()
    time, sharpness, scale = rng.uniform([0, 0.5, 0.075], [6 * math.pi, 1, 0.2])
    steps = rng.randint(4, 7)
    for row, column in ((0, 0), (5, 40), (35, 2)):
        x, y = column / (scale * min(SIZE)), row / (scale * min(SIZE))
        pitch, lag, damping = 1.0, 1.0, 1.0
        for _ in range(steps):
            rx, ry = math.cos(y * pitch + time / lag) / damping, math.sin(x * pitch + time / lag) / damping
            x, y = x + rx - 0.3 * ry, y + ry + 0.3 * rx
            pitch, lag, damping = 1.93 * pitch, 1.15 * lag, (2.25 - sharpness) * damping
        expected = (math.sin(x - time), math.sin((x + y + math.sin(time)) / 2), math.sin(y + time))
        assert colours[row, column] == pytest.approx(expected, abs=2e-3)


def test_gradient_noise_vanishes_on_its_lattice_and_is_smooth():
    noise = gradient_noise(65, 97, 16, stream())
    assert np.abs(noise[::16, ::16]).max() < 1e-6
    assert noise.std() > 0.1
    steepest = max(np.abs(np.diff(noise, axis=axis)).max() for axis in (0, 1))
    assert steepest < 3.5 * 1.5 / 16


@pytest.mark.parametrize(("draw", "power"), [(blue_noise, 2), (brown_noise, -4)])
def test_noise_has_its_spectrum(draw, power):
    noise = draw(np.zeros((128, 128, 3), np.uint8), stream())
    noise = noise if noise.ndim == 2 else noise[:, :, 0]
    assert noise.std() == pytest.approx(1, abs=1e-4)
    spectrum = np.abs(np.fft.fft2(noise)) ** 2
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(128, 1 / 128), np.fft.fftfreq(128, 1 / 128)))
    measured = [np.log(spectrum[np.abs(radius - r) < 1].mean()) for r in (12, 24, 48)]
    assert np.diff(measured) / np.log(2) == pytest.approx([power, power], abs=0.3)


def test_dead_pixels_are_as_many_as_the_normal_distribution_says():
    white = np.full((160, 160, 3), 255, np.uint8)
    for level, share in zip(
        ladder(white, "blue_noise_sample"), (0.0119, 0.0217, 0.0375, 0.0968, 0.206), strict=True
    ):
        assert set(np.unique(level)) == {0, 255}
        assert (level == 0).mean() == pytest.approx(share, rel=0.15)


def test_cut_out_squares_are_a_share_of_the_black_fields():
    white = np.full((300, 300, 3), 255, np.uint8)
    shares = [
        np.mean([(level == 128).mean() for level in column])
        for column in zip(*(ladder(white, "checkerboard_cutout", key=key) for key in range(40)), strict=True)
    ]
    assert shares == pytest.approx([0.1, 0.15, 0.2, 0.25, 0.3], rel=0.15)


def test_sparkles_are_white_inside_and_fade_with_the_square_of_distance(grey):
    (star, *_) = shared("sparkles", grey)
    light = star.light(radius=2, falloff=1)
    assert light.max() == 1
    y, x = np.unravel_index(star.distance.argmax(), SIZE)
    reach = max(1.0, 2 * star.length[y, x])
    assert light[y, x] == pytest.approx(star.brilliance[y, x] * reach**2 / star.distance[y, x], rel=1e-3)
    assert star.brilliance.min() >= 0.75 - 1e-6
    hole = corrupt(grey, "inverse_sparkles", 5, key="k").astype(int)
    assert hole.min() == 120
    assert hole.max() > 200


def test_light_through_water_moves_little_and_adds_little_light():
    y, x = np.mgrid[0:96, 0:96]
    ramp = np.stack([2 * x, 2 * y, x + y], axis=2).astype(np.uint8)
    changes = [np.abs(level.astype(int) - ramp).mean() for level in ladder(ramp, "caustic_refraction", key=1)]
    assert changes == sorted(changes)
    assert 0.5 < changes[0] < changes[-1] < 40
