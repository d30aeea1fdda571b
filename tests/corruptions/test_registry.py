import subprocess
import sys

import numpy as np
import pytest

import corruptions
from corruptions import Corruption, CorruptionError, corrupt, names, register, registry
from corruptions.catalogue import BUILT_IN, MORE
from corruptions.registry import find

LEVELS = {"level": [1, 2, 3, 4, 5]}


def lifted(image, *, level):
    """Brighter.

    By a few grey levels.
    """
    return np.minimum(image, 250) + np.uint8(level)


def test_subsets_are_those_of_imagecorruptions():
    assert names("noise") == ["gaussian_noise", "shot_noise", "impulse_noise"]
    assert names("blur") == ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"]
    assert names("weather") == ["snow", "frost", "fog", "brightness"]
    assert names("digital") == ["contrast", "elastic_transform", "pixelate", "jpeg_compression"]
    assert names("extra") == ["speckle_noise", "gaussian_blur", "spatter", "saturate"]
    assert names() == names("common") == names("noise") + names("blur") + names("weather") + names("digital")
    assert names("all") == names("common") + names("extra")
    with pytest.raises(CorruptionError, match=r"subset 'commom' is not one of: .*did you mean 'common'"):
        names("commom")


def test_built_in_types_are_where_the_table_says():
    for name, module in BUILT_IN.items():
        corruption = find(name)
        assert corruption.name == name
        assert corruption.apply.__module__ == f"corruptions.{module}"
        assert name in MORE.get(corruption.family, ()) or corruption.family == module
        assert corruption.summary.endswith(".")
        assert len(corruption.severity) >= 1


def test_listing_names_imports_no_image_code():
    script = "import sys, corruptions; corruptions.names('registered'); print('cv2' in sys.modules)"
    listed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert listed.stdout.strip() == "False"


def test_a_machine_without_opencv_is_told_what_to_install():
    script = (
        "import sys; sys.modules['cv2'] = None\n"
        "import numpy as np; from corruptions import corrupt\n"
        "image = np.zeros((32, 32, 3), np.uint8)\n"
        "corrupt(image, 'gaussian_noise', 3)\n"
        "corrupt(image, 'fog', 3)"
    )
    failed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "CorruptionError: corruption 'fog' needs OpenCV" in failed.stderr
    assert "opencv-python-headless" in failed.stderr


@pytest.mark.usefixtures("empty_registry")
def test_a_registered_type_is_used_like_ours(noise_image):
    assert register("lifted", family="light", severity=LEVELS)(lifted) is lifted
    assert find("lifted") == Corruption("lifted", "light", lifted, {"level": (1, 2, 3, 4, 5)}, 1, "Brighter.")
    assert not find("lifted").random
    assert np.array_equal(corrupt(noise_image, "lifted", 3), lifted(noise_image, level=3))
    assert names("registered") == [*BUILT_IN, "lifted"]
    assert "lifted" not in names("all")


@pytest.mark.usefixtures("empty_registry")
@pytest.mark.parametrize("taken", ["mine", "fog"])
def test_a_taken_name_needs_override(taken, noise_image):
    if taken == "mine":
        register("mine", family="light", severity=LEVELS)(lifted)
    with pytest.raises(CorruptionError, match=f"'{taken}' is already registered"):
        register(taken, family="light", severity=LEVELS)(lifted)
    register(taken, family="light", severity=LEVELS, version=2, override=True)(lifted)
    assert find(taken).version == 2
    assert np.array_equal(corrupt(noise_image, taken, 1), lifted(noise_image, level=1))


@pytest.mark.parametrize(
    ("name", "severity", "message"),
    [
        ("two words", LEVELS, "letters, digits"),
        ("file.py:name", LEVELS, "letters, digits"),
        ("short", {"level": [1, 2, 3]}, "needs 5 values of 'level', got 3"),
        ("misspelt", {"levle": [1, 2, 3, 4, 5]}, "missing a required argument: 'level'"),
        ("surplus", LEVELS | {"more": [1, 2, 3, 4, 5]}, "unexpected keyword argument 'more'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(name, severity, message):
    with pytest.raises(CorruptionError, match=message):
        register(name, family="light", severity=severity)(lifted)
    assert name not in names("registered")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gausian_noise", "did you mean 'gaussian_noise'"),
        ("xyz", r"corruption 'xyz' is not one of: gaussian_noise, .*word_order$"),
        ("no_such_module:fog", "cannot be imported: No module named 'no_such_module'"),
        ("corruptions.weather:rain", "corruptions.weather registers no 'rain'; decorate it with @register"),
        ("corruptions.weather:math", "registers no 'math'"),
        ("missing.py:fog", "there is no file .*missing.py"),
        (":fog", "must read 'module:name'"),
        ("corruptions.weather:", "must read 'module:name'"),
        (3, "name must be a string, got 3"),
    ],
)
def test_an_unknown_name_says_what_to_do(noise_image, name, message):
    with pytest.raises(CorruptionError, match=message):
        corrupt(noise_image, name, 1)


def drawn(image, rng):
    return rng.random_sample()


def shared_and_rng(image, *, shared, rng, level):
    return image


def with_shared(image, *, shared, level):
    return image


@pytest.mark.parametrize(
    ("function", "shared", "message"),
    [
        (shared_and_rng, drawn, "with 'shared', draw from 'rng' there"),
        (lifted, drawn, "unexpected keyword argument 'shared'"),
        (with_shared, None, "missing a required argument: 'shared'"),
        (with_shared, lambda image, level: 0, "missing a required argument: 'level'"),
    ],
)
def test_what_is_shared_must_fit_the_function(function, shared, message):
    with pytest.raises(CorruptionError, match=message):
        register("unfit", family="light", severity=LEVELS, shared=shared)(function)


def test_a_parameter_cannot_take_the_name_of_what_a_function_asks_for():
    with pytest.raises(CorruptionError, match="cannot be called 'mask'"):
        register("unfit", family="light", severity={"mask": [1] * 5})(lambda image, *, mask: image)


def test_a_module_reference_finds_the_same_type():
    assert find("corruptions.weather:fog") is find("fog")


@pytest.mark.usefixtures("empty_registry")
def test_a_user_s_file_is_named_by_path_and_runs_in_another_process(own_file, noise_image, tmp_path):
    by_name, by_function = f"{own_file}:stripes", f"{own_file}:dark_rows"
    assert find(by_name) is find(by_function) is find("stripes")
    expected = corrupt(noise_image, by_name, 4, seed=2, key="x")
    assert not expected.all(axis=(1, 2)).all()

    np.save(tmp_path / "image.npy", noise_image)
    script = (
        "import sys, numpy as np; from corruptions import corrupt\n"
        "image, out, name = sys.argv[1:]\n"
        "np.save(out, corrupt(np.load(image), name, 4, seed=2, key='x'))"
    )
    paths = [str(tmp_path / "image.npy"), str(tmp_path / "out.npy")]
    subprocess.run([sys.executable, "-c", script, *paths, by_name], check=True)
    assert np.array_equal(np.load(paths[1]), expected)


def test_a_file_that_fails_is_tried_again(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("1 / 0\n")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            find(f"{path}:mine")


@pytest.mark.usefixtures("empty_registry")
def test_an_installed_package_brings_types(own_file, tmp_path, monkeypatch):
    (tmp_path / "plugin_module.py").write_text(own_file.read_text().replace("stripes", "bands"))
    metadata = tmp_path / "plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[robust_atp.corruptions]\nbands = plugin_module:dark_rows\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry._installed.cache_clear()
    try:
        assert names("registered")[-1] == "bands"
        assert find("bands").family == "sensor"
    finally:
        registry._installed.cache_clear()


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda image: image / 255, r"returned float64 \[40, 56, 3\]"),
        (lambda image: image[:32], r"returned uint8 \[32, 56, 3\]"),
        (lambda image: image.tolist(), "returned list"),
    ],
)
def test_a_result_of_the_wrong_kind_is_refused(noise_image, result, message):
    with pytest.raises(CorruptionError, match=message):
        corrupt(noise_image, Corruption("odd", "test", result, {}), 1)


def test_the_public_surface_is_small():
    assert set(corruptions.__all__) == {
        "ConversionWarning", "Corruption", "CorruptionError", "corrupt", "ladder", "names", "register",
    }  # fmt: skip
