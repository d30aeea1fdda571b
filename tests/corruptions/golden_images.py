"""What every type makes of one small image, written down: bits that must not change unless a version is raised.

python -m tests.corruptions.golden_images            # how far is this installation from what is written down?
python -m tests.corruptions.golden_images --write    # after a version was raised
"""

import argparse
import json
from collections.abc import Iterator
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from corruptions import ladder, names
from corruptions.catalogue import BUILT_IN
from corruptions.check_image import ellipse, scene
from corruptions.registry import find

FOLDER = Path(__file__).parents[1] / "golden"
TABLE, PIXELS = FOLDER / "corruption_checksums.json", FOLDER / "corruption_pixels.npz"
LIBRARIES = ("numpy", "scipy", "opencv-python-headless", "opencv-python", "pillow")
QUESTION = "What colour is the large umbrella that the woman in front of the station is holding?"
SHAPE = (32, 40)
SHOWN = 3  # the severity whose pixels are kept, to say by how much they differ


def levels(name: str) -> list[Any]:
    """All severities of the image, or of the question."""
    if name in names("text"):
        return ladder(QUESTION, name, seed=1, key="golden")
    donor = np.ascontiguousarray(scene(50, 60)[::-1, :, ::-1])
    return ladder(scene(*SHAPE), name, seed=1, key="golden", mask=ellipse(*SHAPE), donor=donor)


def checksum(level: Any) -> str:
    data = level.encode() if isinstance(level, str) else level.tobytes()
    return blake2b(data, digest_size=8).hexdigest()


def installed() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library.removesuffix("-headless")] = version(library)
        except ModuleNotFoundError:
            continue
    return found


def recorded() -> dict[str, Any]:
    return json.loads(TABLE.read_text())


def difference(name: str) -> str:
    """How this installation differs from what is written down: empty if it does not."""
    made, expected = levels(name), recorded()["types"][name]
    changed = [s for s, level in enumerate(made, start=1) if checksum(level) != expected["checksums"][s - 1]]
    if not changed:
        return ""
    where = f"severity {', '.join(map(str, changed))}"
    if isinstance(made[0], str):
        return f"{where}: {made[changed[0] - 1]}"
    shift = np.abs(made[SHOWN - 1].astype(int) - np.load(PIXELS)[name])
    return f"{where}; at {SHOWN}, {np.count_nonzero(shift)} of {shift.size} values differ, by at most {shift.max()}"


def compare() -> Iterator[str]:
    before = recorded()["libraries"]
    yield ", ".join(
        f"{library} {now} ({before.get(library, 'none')})" for library, now in installed().items()
    )
    differences = {name: difference(name) for name in BUILT_IN}
    yield f"{sum(not text for text in differences.values())} of {len(differences)} types are the same to the last bit"
    yield from (f"{name}: {text}" for name, text in differences.items() if text)


def write() -> None:
    made = {name: levels(name) for name in BUILT_IN}
    types = {
        name: {"version": find(name).version, "checksums": [checksum(level) for level in made[name]]}
        for name in made
    }
    TABLE.write_text(json.dumps({"libraries": installed(), "types": types}, indent=1) + "\n")
    pixels = {name: made[name][SHOWN - 1] for name in made if not isinstance(made[name][0], str)}
    np.savez_compressed(PIXELS, **pixels)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        write()
    else:
        print("\n".join(compare()))
