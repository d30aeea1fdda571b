"""Every corruption at every severity against the released imagecorruptions 1.1.2: how fast, and how equal.

    python -m experiments.benchmarks.corruption_speed --markdown speed.md

Both sides corrupt the same photo in this process on one thread, in turn, so that what else the machine does meets
both; a figure is the median of CPU times, a ratio the median of ratios of neighbours. The released package is
called through the stand-ins of the tests, without which it does not import.

Equality is that of pixels under the same draws: "identical", or the largest difference and the PSNR between the two;
"own draws" where the two draw different things, which the tests compare by their distributions.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import thread_time

import cv2
import numpy as np
import skimage.data

from corruptions import corrupt, names
from corruptions.images import RGB
from corruptions.quality import psnr
from tests.corruptions.corruption_oracle import released
from tests.corruptions.released_draws import OWN_DRAWS, both

SIZES = ("224x224", "336x336", "640x480")
SEVERITIES = range(1, 6)


@dataclass(frozen=True)
class Cell:
    """One type at one severity and size: median CPU milliseconds of both sides, and how equal they are."""

    size: str
    name: str
    severity: int
    theirs: float
    ours: float
    ratio: float
    equality: str


def main() -> None:
    """Measure, print a line per type, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WxH")
    parser.add_argument("--names", nargs="+", default=names("all"))
    parser.add_argument("--repeats", type=int, default=5, help="pairs of measurements of a cell (default 5)")
    parser.add_argument("--markdown", type=Path, help="file for the whole table")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    cells = []
    for size in arguments.sizes:
        image = photo(size)
        for name in arguments.names:
            line = [measure(image, size, name, severity, arguments.repeats) for severity in SEVERITIES]
            cells += line
            ratios = "  ".join(f"{cell.ratio:6.1f}" for cell in line)
            print(f"{size}  {name:<18} {ratios}   {line[-1].equality}", flush=True)
        for sentence in summary([cell for cell in cells if cell.size == size]):
            print(f"{size}  {sentence}")
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(table(cells)) + "\n")


def photo(size: str) -> RGB:
    """A photo that comes with scikit-image: a face for squares, a coffee cup otherwise."""
    width, height = map(int, size.split("x"))
    source = skimage.data.astronaut() if width == height else skimage.data.coffee()[:, :533]
    return np.asarray(cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def measure(image: RGB, size: str, name: str, severity: int, repeats: int) -> Cell:
    """Time both sides in turn, after a round that reads our textures and fills our tables."""
    for seed in range(repeats):
        corrupt(image, name, severity, seed=seed)
    theirs, ours = [], []
    for seed in range(repeats):
        rng = np.random.RandomState(seed)
        start = thread_time()
        released(image, name, severity, rng)
        middle = thread_time()
        corrupt(image, name, severity, seed=seed)
        theirs.append(middle - start)
        ours.append(thread_time() - middle)
    return Cell(
        size,
        name,
        severity,
        1000 * float(np.median(theirs)),
        1000 * float(np.median(ours)),
        float(np.median(np.divide(theirs, ours))),
        equality(image, name, severity),
    )


def equality(image: RGB, name: str, severity: int) -> str:
    """How equal the two images are when both sides get the same draws."""
    if name in OWN_DRAWS:
        return "own draws"
    ours, theirs = both(image, name, severity)
    largest = np.abs(ours.astype(int) - theirs).max()
    return "identical" if largest == 0 else f"<= {largest}, {psnr(theirs, ours):.0f} dB"


def summary(cells: list[Cell]) -> Iterator[str]:
    """Sentences about one size."""
    sweep = [cell for cell in cells if cell.name in names("common")]
    if sweep:
        theirs, ours = sum(cell.theirs for cell in sweep), sum(cell.ours for cell in sweep)
        yield f"sweep of ImageNet-C: {theirs:.0f} ms -> {ours:.0f} ms, {theirs / ours:.1f} times as fast"
    ratios = [cell.ratio for cell in cells]
    slowest = min(cells, key=lambda cell: cell.ratio)
    yield f"geometric mean of {len(cells)} ratios: {np.exp(np.log(ratios).mean()):.1f}"
    yield f"smallest ratio: {slowest.ratio:.2f} ({slowest.name}, severity {slowest.severity})"


def table(cells: list[Cell]) -> Iterator[str]:
    """The Markdown table of all cells, one line per type and size."""
    yield "| size | type | times as fast at severity 1 to 5 | ms, severity 3: released, ours | equality, worst of 5 |"
    yield "|---|---|---|---|---|"
    for at in range(0, len(cells), len(SEVERITIES)):
        line = cells[at : at + len(SEVERITIES)]
        ratios = " · ".join(f"{cell.ratio:.1f}" for cell in line)
        worst = max((cell.equality for cell in line), key=lambda text: (text != "identical", text))
        middle = line[2]
        yield (
            f"| {middle.size} | {middle.name} | {ratios} | {middle.theirs:.1f} -> {middle.ours:.2f} | {worst} |"
        )


if __name__ == "__main__":
    main()
