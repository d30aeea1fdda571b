"""COCO's instance annotations: which objects an image shows, and where (polygons, run lengths or boxes)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_atp.data.json_stream import elements
from robust_atp.data.official import field, identifier
from robust_atp.data.spool import Spool
from robust_atp.errors import UserError


class Instances:
    """An official file of instances, kept on disk."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._sizes = Spool(_sizes(file)).require_unique(f"image ids in {file}")
        self._objects = Spool(_objects(file))
        self._names = {
            identifier(record, "id", f"{file}, categories"): field(record, "name", f"{file}, categories")
            for record in elements(file, "categories")
        }

    def image_ids(self) -> Iterator[str]:
        """Images of the file, with and without objects."""
        return iter(self._sizes)

    def __contains__(self, image_id: str) -> bool:
        return image_id in self._sizes

    def names(self, image_id: str) -> list[str]:
        """Categories of the objects in an image, each once, in the order of the file."""
        categories = (str(found["category_id"]) for found in self._objects.get(image_id))
        try:
            return list(dict.fromkeys(self._names[category] for category in categories))
        except KeyError as error:
            raise UserError(
                f"{self._file}: image {image_id} has an object of unknown category {error}"
            ) from None

    def mask(self, image_id: str) -> np.ndarray | None:
        """True on every object, bool [H, W]; nothing is True without objects. None for an image the file lacks."""
        sizes = self._sizes.get(image_id)
        if not sizes:
            return None
        height, width = sizes[0]
        mask = np.zeros((height, width), bool)
        for found in self._objects.get(image_id):
            mask |= object_mask(found, height, width, f"{self._file}, image {image_id}")
        return mask


def object_mask(record: Any, height: int, width: int, where: str) -> np.ndarray:
    """Mask of one annotation, bool [H, W]: of its segmentation, or else of its box.

    A pixel belongs to a polygon if its centre does. (pycocotools differs by pixels at the edge.)
    """
    shape = record.get("segmentation")
    if isinstance(shape, dict):
        return _from_run_lengths(shape, height, width, where)
    if shape:
        return np.logical_or.reduce(
            [_from_polygon(np.reshape(part, (-1, 2)), height, width) for part in shape]
        )
    left, top, box_width, box_height = field(record, "bbox", where)
    return _from_box(left, top, box_width, box_height, height, width)


def _from_polygon(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Even-odd rule: to the left of a pixel's centre, its row crosses the outline an odd number of times."""
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    rows = np.arange(height)[:, None] + 0.5  # [H, 1] against [E] edges
    row, edge = np.nonzero((y0 > rows) != (y1 > rows))
    crossing = x0[edge] + (row + 0.5 - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
    first = np.clip(np.ceil(crossing - 0.5).astype(int), 0, width)  # column whose centre it is left of
    crossings = np.zeros((height, width + 1), int)
    np.add.at(crossings, (row, first), 1)
    return crossings.cumsum(axis=1)[:, :width] % 2 == 1


def _from_box(
    left: float, top: float, box_width: float, box_height: float, height: int, width: int
) -> np.ndarray:
    """Pixels whose centres lie in a box; it may leave the image."""
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    inside_rows = (rows >= top) & (rows < top + box_height)
    inside_columns = (columns >= left) & (columns < left + box_width)
    return inside_rows[:, None] & inside_columns


def _from_run_lengths(shape: dict[str, Any], height: int, width: int, where: str) -> np.ndarray:
    """Runs of 0 and 1 in turn, column by column."""
    counts = field(shape, "counts", where)
    runs = decode_counts(counts) if isinstance(counts, str) else counts
    if sum(runs) != height * width:
        raise UserError(f"{where}: run lengths cover {sum(runs)} pixels of an image of {height * width}")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def decode_counts(text: str) -> list[int]:
    """Run lengths of COCO's compressed text: signed base 32; from the third on, differences to the last but one."""
    runs: list[int] = []
    value = shift = 0
    for code in text.encode("ascii"):
        digit = code - 48
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs


def _sizes(file: Path) -> Iterator[tuple[str, Sequence[int]]]:
    for number, record in enumerate(elements(file, "images")):
        where = f"{file}, images[{number}]"
        yield identifier(record, "id", where), (field(record, "height", where), field(record, "width", where))


def _objects(file: Path) -> Iterator[tuple[str, Any]]:
    for number, record in enumerate(elements(file, "annotations")):
        where = f"{file}, annotations[{number}]"
        kept = ("category_id", "bbox", "segmentation")
        yield (
            identifier(record, "image_id", where),
            {key: record[key] for key in kept if key in record}
            | {"category_id": field(record, "category_id", where)},
        )
