"""The same bytes tomorrow, and in the next release."""

import pytest

from corruptions.catalogue import BUILT_IN
from corruptions.registry import find
from tests.corruptions.golden_images import difference, installed, recorded


def test_every_type_is_written_down_with_its_version():
    assert {name: entry["version"] for name, entry in recorded()["types"].items()} == {
        name: find(name).version for name in BUILT_IN
    }


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_bits_are_those_written_down(name):
    changed = difference(name)
    other = {
        library: number
        for library, number in installed().items()
        if recorded()["libraries"].get(library) != number
    }
    if changed and other:
        pytest.xfail(f"{other} instead of {recorded()['libraries']}: {changed}")
    assert not changed, "raise the version of this type and write its bits down again"
