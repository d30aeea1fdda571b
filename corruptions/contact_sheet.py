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
    cells = [[corrupt(original, name, level, seed=seed, key=key) for level in severities] for name in names]
    shrink = min(1, side / max(original.size))
    width, height = (max(1, round(length * shrink)) for length in original.size)

    font = ImageFont.load_default(size=TEXT)
    label_width = round(max((font.getlength(name) for name in names), default=0)) + 3 * GAP
    left, top = label_width, TEXT + 3 * GAP
    page = Image.new(
        "RGB", (left + len(severities) * (width + GAP), top + len(names) * (height + GAP)), "white"
    )
    pen = ImageDraw.Draw(page)
    for column, severity in enumerate(severities):
        centre = left + column * (width + GAP) + width // 2
        pen.text((centre, GAP), f"severity {severity}", "black", font, anchor="ma")
    for row, (name, line) in enumerate(zip(names, cells, strict=True)):
        upper = top + row * (height + GAP)
        pen.text((label_width - 2 * GAP, upper + height // 2), name, "black", font, anchor="rm")
        for column, cell in enumerate(line):
            page.paste(cell.resize((width, height)), (left + column * (width + GAP), upper))
    return page
