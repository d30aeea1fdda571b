"""All corruptions of one image on one page, to be looked at."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from corruptions.apply import corrupt
from corruptions.images import RGB, to_rgb
from corruptions.registry import SEVERITIES
from corruptions.registry import names as list_names

GAP = 4
TEXT = 14  # px


def contact_sheet(
    image: RGB | Image.Image,
    names: Sequence[str] | None = None,
    severities: Sequence[int] = tuple(range(SEVERITIES + 1)),
    *,
    seed: int = 0,
    key: str = "",
    side: int = 224,
) -> Image.Image:
    """Return a page with one row per corruption (all 19 if ``names`` is None) and one column per severity.

    ``image`` is corrupted at its own size and shown with its longer side at most ``side`` px: resampling
    before the corruption would show another severity than the one that is measured.
    """
    names = list_names("all") if names is None else names
    original = Image.fromarray(to_rgb(image))
    rows = [
        (name, [corrupt(original, name, level, seed=seed, key=key) for level in severities]) for name in names
    ]
    return grid(rows, [f"severity {severity}" for severity in severities], side)


def grid(
    rows: Sequence[tuple[str, Sequence[Image.Image]]], headings: Sequence[str], side: int
) -> Image.Image:
    """Return a page with a labelled row per entry and a column per heading; all images are of one size."""
    size = rows[0][1][0].size if rows else (side, side)
    shrink = min(1, side / max(size))
    width, height = (max(1, round(length * shrink)) for length in size)

    font = ImageFont.load_default(size=TEXT)
    left = round(max((font.getlength(label) for label, _ in rows), default=0)) + 3 * GAP
    top = TEXT + 3 * GAP
    page = Image.new("RGB", (left + len(headings) * (width + GAP), top + len(rows) * (height + GAP)), "white")
    pen = ImageDraw.Draw(page)
    for column, heading in enumerate(headings):
        pen.text((left + column * (width + GAP) + width // 2, GAP), heading, "black", font, anchor="ma")
    for row, (label, cells) in enumerate(rows):
        upper = top + row * (height + GAP)
        pen.text((left - 2 * GAP, upper + height // 2), label, "black", font, anchor="rm")
        for column, cell in enumerate(cells):
            page.paste(cell.resize((width, height)), (left + column * (width + GAP), upper))
    return page
