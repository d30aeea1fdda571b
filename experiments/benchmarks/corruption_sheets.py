"""Every corruption at every severity beside what imagecorruptions 1.1.2 makes of the same photo, to be looked at.

    python -m experiments.benchmarks.corruption_sheets sheets/

Writes one page per family, noise.png to extra.png: a row of ours, the released package's below it. Both get the same
draws, but for shot and impulse noise, which draw something else here.
"""

import argparse
from pathlib import Path

from PIL import Image

from corruptions import names
from corruptions.contact_sheet import grid
from experiments.benchmarks.corruption_speed import SEVERITIES, photo
from tests.corruptions.released_draws import both

FAMILIES = ("noise", "blur", "weather", "digital", "extra")


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", default="336x336", metavar="WxH")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        path = arguments.folder / f"{family}.png"
        page(arguments.size, family).save(path)
        print(path)


def page(size: str, family: str) -> Image.Image:
    """Return two rows per type of a family: ours and the released package's."""
    image, rows = photo(size), []
    for name in names(family):
        ours, theirs = zip(
            *(map(Image.fromarray, both(image, name, level)) for level in SEVERITIES), strict=True
        )
        rows += [(name, ours), ("imagecorruptions", theirs)]
    return grid(rows, [f"severity {level}" for level in SEVERITIES], max(image.shape[:2]))


if __name__ == "__main__":
    main()
