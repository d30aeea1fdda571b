"""Scores question by question with all cells side by side: what paired differences are taken of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from robust_atp.image_sums import blocks, numbered
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed, query

# A part of the images at a time, so that memory does not grow with the study.
_ROWS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Answers:
    """Scores of Q questions in C cells of one population. Noise seeds are averaged: R seeds are not R questions."""

    population: tuple[str, ...]
    cells: pd.DataFrame  # C rows; columns of ARM and CONDITION
    images: pd.Index  # [G]
    first: np.ndarray  # [G], first question of each image
    score: np.ndarray  # [Q, C]; nan where a question was not answered

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Answers":
        """Arrange the answers of one population."""
        cell, cells = numbered(rows[[*ARM, *CONDITION]])
        question, questions = numbered(rows[["image_id", "question_id"]])
        shape = (len(questions), len(cells))
        entry = question * len(cells) + cell
        count = np.bincount(entry, minlength=len(questions) * len(cells))
        total = np.bincount(entry, rows["score"].to_numpy(float), minlength=len(questions) * len(cells))
        score = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0).reshape(shape)
        image, images = pd.factorize(questions["image_id"])  # questions are in the order of their images
        population = tuple(rows.iloc[0][list(POPULATION)])
        return cls(population, cells, pd.Index(images), np.flatnonzero(np.diff(image, prepend=-1)), score)

    def sums(self, cells: pd.DataFrame, differences: np.ndarray) -> pd.DataFrame:
        """Rows per image and cell of question-level ``differences`` [Q, D], for the D rows of ``cells``.

        Questions that lack an answer (nan) do not count.
        """
        missing = np.isnan(differences)
        den: np.ndarray = np.add.reduceat((~missing).astype(int), self.first, axis=0)  # [G, D]
        num: np.ndarray = np.add.reduceat(np.where(missing, 0, differences), self.first, axis=0)
        image, cell = np.argwhere(den).T
        rows = _categorical(cells).iloc[cell]
        codes = {"image_id": pd.Categorical.from_codes(image, dtype=pd.CategoricalDtype(self.images))}
        for name, value in zip(POPULATION, self.population, strict=True):
            codes[name] = pd.Categorical.from_codes(
                np.zeros(len(rows), np.int8), dtype=pd.CategoricalDtype([value])
            )
        return rows.reset_index(drop=True).assign(**codes, num=num[image, cell], den=den[image, cell])


def answers(records: Records, where: str = "TRUE") -> Iterator[Answers]:
    """Answers of the records that meet the SQL condition ``where``: whole images, some at a time."""
    count = query(records, f"SELECT count(*) AS n FROM records WHERE {where}")["n"].item()
    parts = -(-count // _ROWS_AT_ONCE)
    for part in range(parts):
        rows = image_rows(
            records,
            f"""
            SELECT {listed((*POPULATION, *ARM, *CONDITION))}, image_id, question_id, score
            FROM records WHERE ({where}) AND hash(image_id) % {parts} = {part}
            """,
        )
        yield from map(Answers.of, blocks(rows, POPULATION))


def stacked(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put rows per image and cell together, text as categories again."""
    if not parts:
        columns = dict.fromkeys((*POPULATION, *ARM, *CONDITION, "image_id"), "str")
        return pd.DataFrame(columns=[*columns, "num", "den"]).astype(
            columns | {"keep": float, "severity": int}
        )
    rows = pd.concat(parts, ignore_index=True)
    return _categorical(rows)


def _categorical(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype({name: "category" for name in rows if pd.api.types.is_string_dtype(rows[name])})
