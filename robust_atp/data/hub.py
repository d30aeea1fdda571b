"""Data sets of the Hugging Face hub: rows read from disk, images decoded when they are asked for."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_atp.data.images import decode_rgb, read_rgb
from robust_atp.data.spool import Spool
from robust_atp.errors import UserError, nearest

if TYPE_CHECKING:
    import datasets

_COMMIT = re.compile(r"[0-9a-f]{40}")
_BATCH = 256


def hub_split(split: str) -> str:
    """What the hub calls a split: ``validation`` for val; other characters than letters and digits are underscores."""
    return "validation" if split == "val" else re.sub(r"\W", "_", split)


class HubTable:
    """One split of a data set, as Arrow files on disk: memory does not grow with it."""

    def __init__(self, hub: str, split: str, revision: str | None = None, subset: str | None = None) -> None:
        """``hub`` is an id or a folder in the hub's layout, ``subset`` what the hub calls a configuration.

        ``UserError`` if it cannot be reached or has no such split.
        """
        self._where = f"data set '{hub}'" + (f", subset {subset}" if subset else "")
        self.commit = _commit(hub, revision)
        self._table = _load(hub, subset, hub_split(split), self.commit, self._where)

    def __len__(self) -> int:
        return len(self._table)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return self._table.column_names

    def rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Rows with these columns; the others are not read. ``UserError`` if one is missing."""
        present = self._table.column_names
        for column in columns:
            if column not in present:
                raise UserError(
                    f"{self._where} lacks the column '{column}' (has: {', '.join(present)}){nearest(column, present)}"
                )
        for batch in self._table.select_columns(list(columns)).iter(batch_size=_BATCH):
            for values in zip(*(batch[column] for column in columns), strict=True):
                yield dict(zip(columns, values, strict=True))

    def image_index(self, ids: Iterable[str], column: str = "image") -> "HubImages":
        """The images of a column, found by ``ids``, one per row; a repeated id is an image that is stored again."""
        return HubImages(self._table, self._where, ids, column)


class HubImages:
    """Images of a table by their ids."""

    def __init__(self, table: "datasets.Dataset", where: str, ids: Iterable[str], column: str) -> None:
        from datasets import Image

        if column not in table.column_names:
            raise UserError(f"{where} lacks the column '{column}' (has: {', '.join(table.column_names)})")
        self._images = table.select_columns([column]).cast_column(column, Image(decode=False))
        self._where, self._column = where, column
        self._rows = Spool((name, row) for row, name in enumerate(ids))

    def read(self, image_id: str) -> np.ndarray:
        """Pixels as uint8 RGB [H, W, 3]; ``UserError`` if there is no such image."""
        pixels = self.read_if_any(image_id)
        if pixels is None:
            raise UserError(f"{self._where} holds no picture in row '{image_id}'")
        return pixels

    def read_if_any(self, image_id: str) -> np.ndarray | None:
        """Pixels as uint8 RGB [H, W, 3]; None where the row holds no picture. ``UserError`` if there is no such row."""
        rows = self._rows.get(image_id)
        if not rows:
            raise UserError(f"{self._where} has no image '{image_id}'")
        stored = self._images[rows[0]][self._column]
        if stored is None:
            return None
        if stored["bytes"] is None:
            return read_rgb(Path(stored["path"]))
        return decode_rgb(stored["bytes"], f"'{image_id}' of {self._where}")


def _commit(hub: str, revision: str | None) -> str:
    """The commit that a branch or tag stands for now; nothing for a folder."""
    if Path(hub).is_dir() or (revision is not None and _COMMIT.fullmatch(revision)):
        return revision or ""
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(hub, revision=revision).sha or ""
    except Exception as error:  # which HTTP client is behind it, and so what it raises, differs by version
        raise UserError(
            f"data set '{hub}' cannot be reached on the hub: {_first_line(error)}; "
            "with a commit as revision it is taken from the cache"
        ) from error


def _load(hub: str, subset: str | None, split: str, commit: str, where: str) -> "datasets.Dataset":
    import datasets

    try:
        with _without_progress_bars():
            return datasets.load_dataset(hub, subset, split=split, revision=commit or None)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"{where} cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    import datasets

    shown = datasets.are_progress_bars_disabled() is False
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
