import ast
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from corruptions import CorruptionError, drop_in
from corruptions import corrupt as corrupt_by_name
from corruptions.drop_in import corrupt, get_corruption_names
from corruptions.streams import pixel_key


def released_signature():
    """Arguments and defaults of the released ``corrupt``, read and not imported."""
    package = importlib.util.find_spec("imagecorruptions")
    assert package is not None
    assert package.origin is not None
    tree = ast.parse(Path(package.origin).read_text())
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "corrupt"]
    return [argument.arg for argument in function.args.args], [
        ast.unparse(value) for value in function.args.defaults
    ]


def test_the_signature_is_the_released_one():
    names, defaults = released_signature()
    ours = drop_in.corrupt.__code__
    assert list(ours.co_varnames[: ours.co_argcount]) == names
    assert [repr(value) for value in drop_in.corrupt.__defaults__ or ()] == defaults


def test_subsets_are_the_released_ones():
    sizes = {"common": 15, "validation": 4, "all": 19, "noise": 3, "blur": 4, "weather": 4, "digital": 4}
    assert {subset: len(get_corruption_names(subset)) for subset in sizes} == sizes
    with pytest.raises(CorruptionError, match="subset must be one of"):
        get_corruption_names("extra")


def test_name_and_number_choose_the_same_type(noise_image):
    for number, name in enumerate(get_corruption_names("all")):
        by_number = corrupt(noise_image, severity=2, corruption_number=number)
        assert np.array_equal(by_number, corrupt(noise_image, severity=2, corruption_name=name))
        assert np.array_equal(by_number, corrupt_by_name(noise_image, name, 2, 0, pixel_key(noise_image)))


def test_images_without_names_do_not_share_their_noise(noise_image):
    other = np.full_like(noise_image, 128)
    grey = np.full_like(noise_image, 127)
    noise = [corrupt(image, 3, "gaussian_noise").astype(int) - image for image in (other, grey)]
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.1


def test_grey_images_become_colour_as_they_do_there(noise_image):
    grey = noise_image[:, :, 0]
    assert corrupt(grey, 1, "contrast").shape == noise_image.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"severity": 0, "corruption_name": "fog"}, "severity must be an integer from 1 to 5, got 0"),
        ({"severity": 2.5, "corruption_name": "fog"}, "severity must be"),
        ({"severity": "3", "corruption_name": "fog"}, "severity must be"),
        ({"corruption_name": "fogg"}, "did you mean 'fog'"),
        ({"severity": np.array([1, 2]), "corruption_name": "fog"}, "severity must be"),
        ({"corruption_number": 19}, "corruption_number of 0 to 18, got 19"),
        ({"corruption_number": "1"}, "corruption_number of 0 to 18, got '1'"),
        ({}, "give corruption_name"),
    ],
)
def test_bad_calls(noise_image, arguments, message):
    with pytest.raises(CorruptionError, match=message):
        corrupt(noise_image, **arguments)
