"""Scores question by question with all cells side by side: what paired differences are taken of."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from robust_atp.query import ARM, CONDITION, POPULATION, Records, batches, listed

_CELL = (*POPULATION, *ARM, *CONDITION)
COSTS = ("tokens_mean", "prefill_flops")


@dataclass(frozen=True)
class Answers:
    """Answers to Q questions in C cells of one population; several noise seeds answer a question several times."""

    population: tuple[str, ...]
    cells: pd.DataFrame  # C rows; columns of ARM and CONDITION
    costs: pd.DataFrame  # C rows; for each of COSTS its sum, and in ``…_count`` how many answers have it
    images: pd.Index  # [G]
    first: np.ndarray  # [G], first question of each image
    total: np.ndarray  # [Q, C], sum of scores
    count: np.ndarray  # [Q, C], answers; 0 where a question was not answered

    def score(self) -> np.ndarray:
        """Mean score [Q, C], nan without an answer: R noise seeds of a question are not R questions."""
        return np.divide(self.total, self.count, out=np.full(self.total.shape, np.nan), where=self.count > 0)

    def by_image(self, questions: np.ndarray) -> np.ndarray:
        """Sums [G, ...] over the questions [Q, ...] of each image."""
        return np.add.reduceat(questions, self.first, axis=0)


def answers(records: Records) -> Iterator[Answers]:
    """All answers, population by population, from one pass over the records.

    They are read some at a time, and of each answer only three numbers are kept: 14 bytes.
    """
    coding = _Coding()
    for batch in batches(
        records, f"SELECT {listed((*_CELL, 'image_id', 'question_id', 'score', *COSTS))} FROM records"
    ):
        coding.append(batch)
    yield from coding.answers()


class _Texts:
    """Numbers values in the order in which they are first seen."""

    def __init__(self) -> None:
        self._number: dict[object, int] = {}

    def numbers(self, values: pa.Array) -> np.ndarray:
        encoded = values.dictionary_encode()
        here = [self._number.setdefault(value, len(self._number)) for value in encoded.dictionary.to_pylist()]
        return np.array(here, np.int32)[encoded.indices.to_numpy()]

    def values(self) -> list:
        return list(self._number)


class _Coding:
    """Collects answers as numbers of their cell and question."""

    def __init__(self) -> None:
        self._cells: dict[tuple, int] = {}
        self._images, self._questions = _Texts(), _Texts()
        self._rows: tuple[list[np.ndarray], ...] = ([], [], [], [])  # cells, images, questions, scores
        self._costs: list[pd.DataFrame] = []

    def append(self, batch: pa.RecordBatch) -> None:
        if not batch.num_rows:
            return
        cell = self._numbered(batch)
        image, question = (
            texts.numbers(batch[name])
            for name, texts in (("image_id", self._images), ("question_id", self._questions))
        )
        score = np.array(batch["score"])  # a copy: a view would keep all columns of the batch
        for column, part in zip(self._rows, (cell, image, question, score), strict=True):
            column.append(part)
        self._costs.append(_sums(cell, {name: batch[name].to_numpy(zero_copy_only=False) for name in COSTS}))

    def _numbered(self, batch: pa.RecordBatch) -> np.ndarray:
        """For each row the number of its cell."""
        number, dictionaries = np.zeros(batch.num_rows, np.int64), []
        for name in _CELL:
            encoded = batch[name].dictionary_encode()
            number *= len(encoded.dictionary)
            number += encoded.indices.to_numpy()
            dictionaries.append(encoded.dictionary.to_pylist())
        place, found = pd.factorize(number)
        codes = np.unravel_index(found, tuple(map(len, dictionaries)))
        cells = zip(
            *([values[i] for i in code] for values, code in zip(dictionaries, codes, strict=True)),
            strict=True,
        )
        return np.array([self._cells.setdefault(cell, len(self._cells)) for cell in cells], np.int32)[place]

    def answers(self) -> Iterator[Answers]:
        """What was collected. Cells, images and questions are sorted, since threads deliver rows in any order."""
        if not self._cells:
            return
        cell, image, question, score = map(_whole, self._rows)
        cells = pd.DataFrame(list(self._cells), columns=list(_CELL)).astype(
            {"severity": "int8"}
        )  # as recorded
        costs = pd.concat(self._costs).groupby(level=0).sum()
        images, image = _sorted(self._images, image)
        questions, question = _sorted(self._questions, question)
        asked = image.astype(np.int64) * len(questions) + question
        del image, question  # of ten million answers, every array that is held is some 80 MB
        for population, mine in cells.groupby(list(POPULATION)):
            here = slice(None) if len(mine) == len(cells) else np.isin(cell, mine.index)
            ordered = mine.sort_values([*ARM, *CONDITION])
            column = np.empty(len(cells), np.int32)
            column[ordered.index] = np.arange(len(ordered))
            row, found = pd.factorize(asked[here], sort=True)
            of_image, seen = pd.factorize(found // len(questions))
            row *= len(ordered)
            row += column[cell[here]]
            shape = (len(found), len(ordered))
            yield Answers(
                tuple(map(str, population)),
                ordered[[*ARM, *CONDITION]].reset_index(drop=True),
                costs.loc[ordered.index].reset_index(drop=True),
                images[seen],
                np.flatnonzero(np.diff(of_image, prepend=-1)),
                np.bincount(row, score[here], len(found) * len(ordered)).reshape(shape),
                np.bincount(row, minlength=len(found) * len(ordered)).astype(np.int32).reshape(shape),
            )


def _whole(parts: list[np.ndarray]) -> np.ndarray:
    """The parts in one; they are given up."""
    whole = np.concatenate(parts)
    parts.clear()
    return whole


def _sorted(texts: _Texts, number: np.ndarray) -> tuple[pd.Index, np.ndarray]:
    """The texts in alphabetical order, and numbers that follow it."""
    values = pd.Index(texts.values(), dtype="str")
    order = values.argsort()
    rank = np.empty(len(values), np.int32)
    rank[order] = np.arange(len(values))
    return values[order], rank[number]


def _sums(cell: np.ndarray, columns: dict[str, np.ndarray]) -> pd.DataFrame:
    """Sum of each column per cell and how many values it has; nulls, which are nan here, do not count."""
    cells, sums = int(cell.max()) + 1, {}
    for name, values in columns.items():
        known = ~np.isnan(values)
        sums[name] = np.bincount(cell, np.where(known, values, 0.0), cells)
        sums[f"{name}_count"] = np.bincount(cell, known, cells)
    return pd.DataFrame(sums)
