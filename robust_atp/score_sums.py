"""Everything that tables about scores need, summed over the questions of each image in one pass over the records."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from robust_atp.answers import COSTS, Answers, answers
from robust_atp.query import ARM, CONDITION, POPULATION, Records, remembered

_COLUMNS = (*POPULATION, *ARM, *CONDITION, "image_id")
_SUMS = ("num", "den", "whole", "arm", "discordant")  # what a study without answers has none of


@dataclass(frozen=True)
class CellSums:
    """Sums of one or more quantities over the questions of G images in C cells of one population."""

    population: tuple[str, ...]
    cells: pd.DataFrame  # C rows; columns of ARM and CONDITION
    images: pd.Index  # [G]
    sums: dict[str, np.ndarray]  # [G, C] each; "den" counts questions or answers

    def rows(self, wanted: Callable[[pd.DataFrame], pd.Series] | None = None) -> pd.DataFrame:
        """A row per image and cell that has a question; only of cells that are ``wanted``."""
        chosen = np.flatnonzero(wanted(self.cells)) if wanted else np.arange(len(self.cells))
        image, place = np.argwhere(self.sums["den"][:, chosen]).T
        cell = chosen[place]
        names = {
            name: pd.Categorical(self.cells[name])
            if pd.api.types.is_string_dtype(self.cells[name])
            else self.cells[name].to_numpy()
            for name in (*ARM, *CONDITION)
        }
        codes = {
            name: pd.Categorical([value]).take(np.zeros(len(cell), np.intp))
            for name, value in zip(POPULATION, self.population, strict=True)
        }
        images = pd.Categorical.from_codes(image.astype(np.int32), dtype=pd.CategoricalDtype(self.images))
        own = {name: values.take(cell) for name, values in names.items()}
        return pd.DataFrame(
            {
                **codes,
                **own,
                "image_id": images,
                **{name: sums[image, cell] for name, sums in self.sums.items()},
            }
        )


class ScoreSums:
    """Sums per image of scores and of differences of scores, one ``CellSums`` per population.

    Each is taken of the answers when a table first asks for it.
    """

    def __init__(self, found: Sequence[Answers]) -> None:
        self._found = found

    @cached_property
    def answers(self) -> list[CellSums]:
        """Sums over every answer."""
        return [
            _cell_sums(one, _cells(one), num=one.by_image(one.total), den=one.by_image(one.count))
            for one in self._found
        ]

    @cached_property
    def questions(self) -> list[CellSums]:
        """Sums over questions: noise seeds are averaged first."""
        return [_of_questions(one, _cells(one), one.score()) for one in self._found]

    @cached_property
    def losses(self) -> list[CellSums]:
        """A_unpruned - A_arm, question by question."""
        return [_losses(one) for one in self._found]

    @cached_property
    def differences(self) -> list[CellSums]:
        """Differences in differences, question by question."""
        return [_differences(one) for one in self._found]

    @cached_property
    def pairs(self) -> list[CellSums]:
        """Both arms' scores."""
        return [_pairs(one) for one in self._found]

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Means of ``COSTS`` per arm."""
        found = [_costs(one) for one in self._found]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def score_sums(records: Records) -> ScoreSums:
    """Sums of all answers, which are read once for records at hand."""
    return remembered(records, _score_sums)


def long_rows(
    parts: Sequence[CellSums], wanted: Callable[[pd.DataFrame], pd.Series] | None = None
) -> pd.DataFrame:
    """Rows per image and cell of all populations, text as categories."""
    if not parts:
        columns = dict.fromkeys(_COLUMNS, "str") | dict.fromkeys(_SUMS, "float")
        columns |= {"keep": "float", "severity": "int8"}
        return pd.DataFrame(columns=list(columns)).astype(columns)
    rows = pd.concat([part.rows(wanted) for part in parts], ignore_index=True)
    return rows.astype({name: "category" for name in rows if pd.api.types.is_string_dtype(rows[name])})


def images_drawn(parts: Sequence[CellSums]) -> dict[tuple[str, str], pd.Index]:
    """All images of each data set and split, in order: those of one backbone and of another are the same draw."""
    found: dict[tuple[str, str], pd.Index] = {}
    for part in parts:
        _, *key = part.population
        dataset, split = key
        found[dataset, split] = found.get((dataset, split), part.images).union(part.images)
    return found


def seen(cells: pd.DataFrame) -> pd.Series:
    """Cells that show the image, clean or corrupted: all but controls."""
    return (cells["severity"] > 0) | (cells["intervention"] == "clean")


def _score_sums(records: Records) -> ScoreSums:
    return ScoreSums(list(answers(records)))


def _cells(found: Answers) -> pd.DataFrame:
    return found.cells[[*ARM, *CONDITION]]


def _cell_sums(found: Answers, cells: pd.DataFrame, **sums: np.ndarray) -> CellSums:
    return CellSums(found.population, cells.reset_index(drop=True), found.images, sums)


def _of_questions(found: Answers, cells: pd.DataFrame, values: np.ndarray) -> CellSums:
    """Sums of question-level ``values`` [Q, C]; questions that lack an answer (nan) do not count."""
    missing = np.isnan(values)
    return _cell_sums(
        found,
        cells,
        num=found.by_image(np.where(missing, 0, values)),
        den=found.by_image((~missing).astype(np.int32)),
    )


def _losses(found: Answers) -> CellSums:
    score, pairs = found.score(), _with_whole(_cells(found))
    return _of_questions(found, pairs[[*ARM, *CONDITION]], score[:, pairs["whole"]] - score[:, pairs["arm"]])


def _pairs(found: Answers) -> CellSums:
    """Scores of the arm and of the unpruned model on the questions that both answered, and how often they differ."""
    score, pairs = found.score(), _with_whole(_cells(found))
    arm, whole = score[:, pairs["arm"]], score[:, pairs["whole"]]
    both = ~np.isnan(arm + whole)
    return _cell_sums(
        found,
        pairs[[*ARM, *CONDITION]],
        whole=found.by_image(np.where(both, whole, 0)),
        arm=found.by_image(np.where(both, arm, 0)),
        discordant=found.by_image((both & (np.abs(whole - arm) > 1e-9)).astype(np.int32)),
        den=found.by_image(both.astype(np.int32)),
    )


def _with_whole(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells of pruned arms, with the columns ``arm`` and ``whole`` of themselves and of the unpruned model."""
    cells = cells.reset_index(names="arm")
    whole = cells.loc[cells["pruner"] == "none", [*CONDITION, "arm"]].rename(columns={"arm": "whole"})
    return cells[cells["pruner"] != "none"].merge(whole, on=list(CONDITION))


def _differences(found: Answers) -> CellSums:
    score, cells = found.score(), _cells(found).reset_index(names="bad")
    clean = cells.loc[cells["intervention"] == "clean", [*ARM, "bad"]]
    drops = cells[cells["severity"] > 0].merge(clean.rename(columns={"bad": "clean"}), on=list(ARM))
    whole = drops.loc[drops["pruner"] == "none", [*CONDITION, "bad", "clean"]]
    pairs = drops[drops["pruner"] != "none"].merge(whole, on=list(CONDITION), suffixes=("", "_whole"))
    lost = score[:, pairs["clean"]] - score[:, pairs["bad"]]  # [Q, pairs]
    lost -= score[:, pairs["clean_whole"]] - score[:, pairs["bad_whole"]]
    return _of_questions(found, pairs[[*ARM, *CONDITION]], lost)


def _costs(found: Answers) -> pd.DataFrame:
    """Mean costs of an answer per arm."""
    sums = pd.concat([found.cells[list(ARM)], found.costs], axis=1).groupby(list(ARM)).sum()
    means = pd.DataFrame({name: sums[name] / sums[f"{name}_count"] for name in COSTS}).reset_index()
    return means.assign(**dict(zip(POPULATION, found.population, strict=True)))
