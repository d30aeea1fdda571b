"""A data set as ``robust-atp export`` wrote it: the same examples, and the corrupted images to go with them."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from robust_atp.data.example import Example
from robust_atp.data.example_store import ExampleStore
from robust_atp.data.export_format import ABOUT, CLEAN, QUESTIONS, REFERENCES, subset
from robust_atp.data.hub import HubImages, HubTable
from robust_atp.errors import UserError

_COLUMNS = (
    "image_id", "question_id", "question", "answers", "answer", "question_type", "answer_type", "group", "original"
)  # fmt: skip


class Exported:
    """A ``Dataset`` read from an export of the data set that a study calls ``name`` and ``split``."""

    revision = ""

    def __init__(self, folder: Path, name: str, split: str, metric: str) -> None:
        """``UserError`` if the folder is no export, or one of another data set."""
        about = _about(folder)
        if (about["dataset"], about["split"]) != (name, split):
            raise UserError(
                f"{folder} is an export of {about['dataset']}/{about['split']}, the study names it {name}/{split}"
            )
        self.name, self.split = name, split
        self.metric = metric
        self._folder = folder
        self._subsets = frozenset(about["subsets"])
        self._store = ExampleStore(_examples(self._table(QUESTIONS)), str(folder))
        # Images of one subset come one after the other.
        self._images = cache(self._open_images)
        # Which pixels there are is decided by the versions of the corruptions, too.
        decisive = json.dumps([about["fingerprint"], about["versions"], metric], sort_keys=True)
        self.fingerprint = hashlib.blake2b(decisive.encode(), digest_size=16).hexdigest()

    def image_ids(self) -> Sequence[str]:
        """Ids of the images that questions are asked about, in the order of the original."""
        return self._store.image_ids()

    def examples(self, image_ids: Sequence[str] | None = None) -> Sequence[Example]:
        """All questions, or those about some images, in the order of the original."""
        return self._store if image_ids is None else self._store.about(image_ids)

    def references(self) -> Iterable[Sequence[str]]:
        """Reference answers of the whole original data set, which may be larger than what was exported of it."""
        if REFERENCES in self._subsets:
            return (row["answers"] for row in self._table(REFERENCES).rows(["answers"]))
        return (example.answers for example in self._store)

    def image(self, image_id: str) -> np.ndarray:
        """Clean pixels as uint8 RGB [H, W, 3]."""
        return self._images(CLEAN).read(image_id)

    def object_mask(self, image_id: str) -> np.ndarray | None:
        """True where an annotated object is, bool [H, W]; None if the original has none for this image."""
        mask = self._masks.read_if_any(image_id)
        return None if mask is None else mask[..., 0] > 0

    def corrupted(
        self, image_id: str, intervention: str, severity: int, noise_seed: int
    ) -> np.ndarray | None:
        """Pixels of a corruption that was exported; None for any other."""
        if severity == 0:
            return None
        from corruptions.registry import find

        name = subset(find(intervention).name, severity, noise_seed)
        return self._images(name).read(image_id) if name in self._subsets else None

    @cached_property
    def _masks(self) -> HubImages:
        return self._open_images(CLEAN, "object_mask")

    def _open_images(self, name: str, column: str = "image") -> HubImages:
        table = self._table(name)
        return table.image_index((row["image_id"] for row in table.rows(["image_id"])), column)

    def _table(self, name: str) -> HubTable:
        return HubTable(str(self._folder), self.split, subset=name)


def _about(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / ABOUT).read_bytes())
    except (OSError, ValueError):
        raise UserError(f"{folder} is no export of a data set: it has no readable {ABOUT}") from None


def _examples(table: HubTable) -> Iterator[Example]:
    for row in table.rows(_COLUMNS):
        yield Example(**row | {"answers": tuple(row["answers"]), "group": json.loads(row["group"])})
