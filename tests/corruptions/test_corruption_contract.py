"""What holds for every type of corruption: ours, and one that a user registers."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from corruptions import Corruption, corrupt, ladder, names
from corruptions.catalogue import BUILT_IN
from corruptions.check import check
from corruptions.check_image import ellipse
from corruptions.registry import find


def dimmed(image, *, rng, share):
    """A user's type; here and not in a fixture, so that it can be pickled."""
    return (image * (1 - share * rng.random_sample())).astype(np.uint8)


CUSTOM = Corruption("dimmed", "light", dimmed, {"share": (0.2, 0.4, 0.6, 0.8, 1.0)})
EVERY: list[str | Corruption] = [*BUILT_IN, CUSTOM]
IMAGES = [name for name in EVERY if name not in names("text")]


@pytest.fixture
def beside(noise_image):
    """What some types need beside the image."""
    return {"mask": ellipse(*noise_image.shape[:2]), "donor": noise_image[::-1]}


def fingerprint(image, severities=range(1, 6)):
    """Name -> hash of the image at all severities."""
    return {
        name: blake2b(
            b"".join(corrupt(image, name, s, seed=7, key="a").tobytes() for s in severities)
        ).hexdigest()
        for name in names("all")
    }


@pytest.mark.parametrize("corruption", EVERY, ids=str)
def test_every_rule_of_the_contract_check_is_kept(corruption):
    assert [verdict for verdict in check(corruption) if not verdict.passed] == []


@pytest.mark.parametrize("corruption", IMAGES, ids=str)
def test_strides_write_protection_and_kind_of_image_do_not_matter(corruption, noise_image, beside):
    expected = corrupt(noise_image, corruption, 4, **beside)
    mirrored = np.ascontiguousarray(noise_image[::-1, :, ::-1])[::-1, :, ::-1]
    protected = noise_image.copy()
    protected.setflags(write=False)
    padded = np.zeros((50, 70, 3), np.uint8)
    padded[3:43, 5:61] = noise_image
    for same in (mirrored, protected, padded[3:43, 5:61], np.asfortranarray(noise_image)):
        assert np.array_equal(corrupt(same, corruption, 4, **beside), expected)
    picture = corrupt(Image.fromarray(noise_image), corruption, 4, **beside)
    assert isinstance(picture, Image.Image)
    assert (picture.mode, picture.size) == ("RGB", (56, 40))
    assert np.array_equal(np.asarray(picture), expected)


@pytest.mark.parametrize("corruption", IMAGES, ids=str)
def test_the_result_is_the_caller_s_own(corruption, noise_image, beside):
    before = noise_image.copy()
    for result in ladder(noise_image, corruption, [0, 0.5, 1, 2.0, 5], **beside):
        assert result.shape == noise_image.shape
        result[:] = 0
        assert np.array_equal(noise_image, before)


def test_severity_0_is_the_image(noise_image, beside):
    for corruption in IMAGES:
        assert np.array_equal(corrupt(noise_image, corruption, 0, **beside), noise_image)
        picture = corrupt(Image.fromarray(noise_image), corruption, 0, **beside)
        assert np.array_equal(np.asarray(picture), noise_image)
    assert all(corrupt("Which one?", name, 0) == "Which one?" for name in names("text"))


def test_seed_and_key_matter_to_the_random_types_and_only_to_them(noise_image):
    for name in names("all"):
        results = {
            corrupt(noise_image, name, 5, seed=seed, key=key).tobytes()
            for seed in (0, 1)
            for key in ("", "1", "2")
        }
        assert (len(results) == 6) if find(name).random else (len(results) == 1), name


def test_integer_and_string_ids_name_the_same_sample(noise_image):
    expected = corrupt(noise_image, "gaussian_noise", 3, key="458752")
    for key in (458752, np.int64(458752)):
        assert np.array_equal(corrupt(noise_image, "gaussian_noise", np.uint8(3), key=key), expected)


def test_severities_share_their_noise():
    """Common random numbers: the noise of severity 1, scaled, is that of severity 2 (up to truncation)."""
    grey = np.full((64, 64, 3), 128, np.uint8)
    mild, strong = ((corrupt(grey, "gaussian_noise", s, key=5) + 0.5 - 128) / 255 for s in (1, 2))
    inside = np.abs(strong) < 127 / 255  # not clipped
    difference = np.abs(mild / 0.08 - strong / 0.12)[inside]
    assert difference.max() < 0.5 / 255 / 0.08 + 0.5 / 255 / 0.12 + 1e-6
    other = (corrupt(grey, "gaussian_noise", 1, key=6) + 0.5 - 128) / 255
    assert abs(np.corrcoef(mild.ravel(), other.ravel())[0, 1]) < 0.05


def test_threads_and_order_do_not_matter(noise_image):
    jobs = [(name, severity) for name in names("all") for severity in (1, 5)]
    expected = [corrupt(noise_image, *job) for job in jobs]
    shuffled = np.random.RandomState(0).permutation(len(jobs))
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda index: corrupt(noise_image, *jobs[index]), shuffled))
    for index, result in zip(shuffled, threaded, strict=True):
        assert np.array_equal(result, expected[index]), jobs[index]


def test_another_process_makes_the_same_bytes(noise_image, tmp_path):
    np.save(tmp_path / "image.npy", noise_image)
    script = (
        "import sys, random, numpy as np\n"
        "sys.path[:0] = sys.argv[2:]\n"
        "import test_corruption_contract as contract\n"
        "np.random.seed(99); random.seed(99)\n"
        "print(contract.fingerprint(np.load(sys.argv[1])))\n"
    )
    here = str(Path(__file__).parent)
    other = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "image.npy"), here, *sys.path],
        env={"PYTHONHASHSEED": "12345", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == str(fingerprint(noise_image))


def test_a_corruption_survives_pickling(noise_image):
    for corruption in (*map(find, names("all")), CUSTOM):
        copy = pickle.loads(pickle.dumps(corruption))
        assert copy == corruption
        assert np.array_equal(corrupt(noise_image, copy, 2), corrupt(noise_image, corruption, 2))
