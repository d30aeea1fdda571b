import numpy as np
import pytest
import skimage.metrics

from corruptions import Corruption, CorruptionError, corrupt, ladder
from corruptions.calibrate import calibrate, matched
from corruptions.check_image import scene
from corruptions.quality import psnr, ssim

IMAGES = [scene(64, 80), scene(80, 64)[::-1].copy()]


def dimmed(image, *, share):
    return (image * (1 - share)).astype(np.uint8)


def dims(*shares):
    return Corruption("dimmed", "light", dimmed, {"share": shares})


@pytest.mark.parametrize("name", ["gaussian_noise", "defocus_blur", "contrast"])
def test_distances_are_those_of_scikit_image(name):
    clean = IMAGES[0]
    for corrupted in ladder(clean, name):
        assert psnr(clean, corrupted) == pytest.approx(
            skimage.metrics.peak_signal_noise_ratio(clean, corrupted)
        )
        expected = skimage.metrics.structural_similarity(
            clean, corrupted, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert ssim(clean, corrupted) == pytest.approx(expected, abs=1e-4)
    assert (psnr(clean, clean), ssim(clean, clean)) == (float("inf"), pytest.approx(1))


def test_levels_are_means_over_the_images():
    (calibration,) = calibrate(IMAGES, ["fog"], seed=2)
    for level in calibration.levels:
        each = [corrupt(image, "fog", level.severity, 2, key) for key, image in enumerate(IMAGES)]
        pairs = list(zip(IMAGES, each, strict=True))
        assert level.psnr == pytest.approx(np.mean([psnr(*pair) for pair in pairs]))
        assert level.ssim == pytest.approx(np.mean([ssim(*pair) for pair in pairs]))


def test_a_ladder_that_turns_back_or_stands_still_is_reported():
    accuracy = {("dimmed", severity): share for severity, share in enumerate((0.9, 0.8, 0.85), start=1)}
    (odd,) = calibrate(IMAGES, [dims(0.1, 0.3, 0.2, 0.5, 0.51)], accuracy=accuracy)
    text = "\n".join(odd.remarks)
    assert "severity 3 is nearer to the image than 2" in text
    assert "severity 3 looks more like the image than 2" in text
    assert "severity 3 is easier than 2: accuracy 85.0 > 80.0 %" in text
    assert "severity 5 is hardly further than 4" in text
    assert calibrate(IMAGES, [dims(0.1, 0.2, 0.35, 0.5, 0.8)])[0].remarks == ()
    assert [level.accuracy for level in odd.levels] == [0.9, 0.8, 0.85, None, None]


def test_a_matched_ladder_has_the_distance_that_was_asked_for():
    decibels = (19.0, 17.5, 16.0, 14.0, 12.0)
    ladders = [
        matched(IMAGES, name, decibels)
        for name in ("gaussian_noise", "impulse_noise", dims(0.05, 0.2, 0.4, 0.6, 0.9))
    ]
    for calibration in calibrate(IMAGES, ladders):
        assert [level.psnr for level in calibration.levels] == pytest.approx(decibels, abs=0.1)
    assert [one.name for one in ladders] == [
        "gaussian_noise.matched",
        "impulse_noise.matched",
        "dimmed.matched",
    ]


@pytest.mark.parametrize(
    ("name", "decibels", "message"),
    [
        ("gaussian_noise", (20, 21, 15, 10, 5), "needs 5 falling PSNR"),
        ("gaussian_noise", (20, 15), "needs 5 falling PSNR"),
        ("brightness", (80, 20, 15, 10, 9), "no severity of 80 dB on these images: severity 1 to 5 reach"),
        ("typos", (20, 15, 12, 11, 10), "cannot be calibrated"),
        ("background_swap", (20, 15, 12, 11, 10), "cannot be calibrated"),
    ],
)
def test_what_cannot_be_matched_is_said(name, decibels, message):
    with pytest.raises(CorruptionError, match=message):
        matched(IMAGES, name, decibels)


def test_no_image_is_an_error():
    with pytest.raises(CorruptionError, match="at least one image"):
        calibrate([], ["fog"])
