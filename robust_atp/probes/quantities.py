"""From sums per image to a probe's table: quantities with intervals, and what pruning changes in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from robust_atp.image_sums import LEVEL, ImageSums, per_dataset, sorted_text
from robust_atp.probes.probe import AGAINST_UNPRUNED, COLUMNS
from robust_atp.query import ARM, CONDITION, POPULATION, Records, equal, gathered, listed
from robust_atp.stats import Replicates

CELL = (*POPULATION, *ARM, *CONDITION)
KEYS = (*CELL, "quantity")

Function = Callable[[np.ndarray], np.ndarray]


def _largest(sizes: np.ndarray) -> np.ndarray:
    return sizes.max(axis=0)


@dataclass(frozen=True)
class Quantities:
    """Quantities of one data set, one per row of ``cells``, with replicates that are joint over all of them.

    ``cells`` has the columns ``KEYS``, n (questions, or whatever the quantity is a share of) and images.
    """

    cells: pd.DataFrame
    means: Replicates  # [C]

    @classmethod
    def of(cls, sums: ImageSums) -> "Quantities":
        """Mean of every quantity that was summed over images."""
        means = sums.means()
        counts = {"n": means.n.round().astype(int), "images": (sums.den > 0).sum(axis=0)}
        return cls(sums.cells.assign(**counts), means)

    def derive(
        self,
        quantity: str,
        function: Function,
        of: Sequence[str] | Callable[[str], bool],
        size: Function = _largest,
    ) -> "Quantities":
        """Append ``quantity``: ``function`` [..., k] -> [...] of the k quantities ``of`` each cell, in that order.

        ``of`` names them, and a cell that lacks one gets none; or it says which of what a cell has to take, one at
        least. ``size`` [k, 2] -> [2] reduces their n and images.
        """
        names, sizes = self.cells["quantity"].to_numpy(), self.cells[["n", "images"]].to_numpy()
        places, counts = [], []
        for rows in self.cells.groupby(list(CELL), sort=False).indices.values():
            place = dict(zip(names[rows], rows, strict=True))
            wanted = [name for name in place if of(name)] if callable(of) else of
            if wanted and all(name in place for name in wanted):
                places.append([place[name] for name in wanted])
                counts.append(size(sizes[places[-1]]))
        if not places:
            return self
        value, draws = (
            np.stack([function(means[..., chosen]) for chosen in places], axis=-1)
            for means in (self.means.value, self.means.draws)
        )
        n, images = np.transpose(counts)
        new = self.cells.iloc[[rows[0] for rows in places]].assign(quantity=quantity, n=n, images=images)
        cells = pd.concat([self.cells, new], ignore_index=True)
        value, draws = np.hstack([self.means.value, value]), np.hstack([self.means.draws, draws])
        return Quantities(cells, Replicates(value, draws, cells["n"].to_numpy(), self.means.images))

    def keep(self, quantities: Sequence[str]) -> "Quantities":
        """Only ``quantities``: what they were derived from goes."""
        chosen = np.flatnonzero(self.cells["quantity"].isin(quantities))
        means = Replicates(
            self.means.value[chosen], self.means.draws[:, chosen], self.means.n[chosen], self.means.images
        )
        return Quantities(self.cells.iloc[chosen].reset_index(drop=True), means)

    def table(self) -> pd.DataFrame:
        """Values with percentile intervals over images, in ``COLUMNS``; those that are undefined are left out.

        ``AGAINST_UNPRUNED`` is a pruned arm minus the unpruned model in the same condition, from the same draws of
        images, so that the difference is paired; nan for the unpruned model itself.
        """
        table = self.cells.assign(**_interval(self.means, ("value", "lo", "hi"), "se"))
        arm, unpruned = self._partners()
        difference = self.means.map(lambda mean: mean[..., arm] - mean[..., unpruned])
        columns = pd.DataFrame(_interval(difference, AGAINST_UNPRUNED), index=arm)
        return table.join(columns).dropna(subset="value")[[*COLUMNS, *AGAINST_UNPRUNED]]

    def _partners(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of pruned arms, and for each the row of the unpruned model."""
        subject = [*POPULATION, *CONDITION, "quantity"]
        rows = self.cells[[*subject, "pruner"]].reset_index(names="row")
        whole = rows[rows["pruner"] == "none"].drop_duplicates(subject)
        pairs = rows[rows["pruner"] != "none"].merge(whole, on=subject, suffixes=("", "_unpruned"))
        return pairs["row"].to_numpy(), pairs["row_unpruned"].to_numpy()


def quantity_sums(answers: str, quantities: Mapping[str, str]) -> str:
    """SQL for long rows (``KEYS``, image_id, num, den): ``quantities`` summed over the answers of each image and cell.

    ``answers`` is SQL that gives a row per answer, ``quantities`` SQL over its columns; where that is null, the answer
    does not count. They are summed side by side and stacked afterwards: ten million answers stacked first are as many
    rows for each quantity.
    """
    shares = ", ".join(f"({sql})::DOUBLE AS share{i}" for i, sql in enumerate(quantities.values()))
    sums = ", ".join(f"sum(share{i}) AS num{i}, count(share{i}) AS den{i}" for i in range(len(quantities)))
    stacked = ", ".join(
        f"{{'quantity': '{name}', 'num': num{i}, 'den': den{i}}}" for i, name in enumerate(quantities)
    )
    return f"""
        WITH shares AS (SELECT {listed(CELL)}, image_id, {shares} FROM ({answers})),
        sums AS (SELECT {listed(CELL)}, image_id, {sums} FROM shares GROUP BY ALL),
        stacked AS (SELECT {listed(CELL)}, image_id, unnest([{stacked}], recursive := true) FROM sums)
        SELECT {listed(KEYS)}, image_id, num, den FROM stacked WHERE den > 0
    """


def labelled_sums(label: str, first: str, second: str) -> str:
    """SQL for ``tabulate``: accuracy where the ``group`` of a question has this ``label``, and one of two values."""
    return f"""
        WITH labelled AS (
            SELECT {listed(CELL)}, image_id, score, json_extract_string("group", '$.{label}') AS quantity FROM records
        )
        SELECT {listed(KEYS)}, image_id, sum(score) AS num, count(*) AS den
        FROM labelled WHERE quantity IN ('{first}', '{second}') GROUP BY ALL
    """


def tabulate(
    records: Records,
    sums: str,
    derive: Callable[[Quantities], Quantities] = lambda quantities: quantities,
    prepare: Callable[[ImageSums], ImageSums] = lambda sums: sums,
    relative: Sequence[str] = (),
    **frames: pd.DataFrame,
) -> pd.DataFrame:
    """A probe's table from ``sums``, SQL over records and ``frames`` for rows (``KEYS``, image_id, num, den).

    ``derive`` adds quantities that are not shares of anything: gaps, ratios, extremes. Those named in ``relative``
    compare with the unpruned model as they are, and get no difference to it.
    """
    table = per_condition(
        records, sums, lambda block: derive(Quantities.of(prepare(block))).table(), **frames
    )
    table.loc[table["quantity"].isin(relative), list(AGAINST_UNPRUNED)] = np.nan
    return table


def per_condition(
    records: Records, sums: str, summarise: Callable[[ImageSums], pd.DataFrame], **frames: pd.DataFrame
) -> pd.DataFrame:
    """``per_dataset`` of ``sums`` (see ``tabulate``), one condition after the other.

    Every condition draws from all images of its data set, so that this makes no difference to a ``summarise`` that
    looks at no two conditions at once.
    """
    with gathered(records, sums, **frames) as select:
        drawn = select("SELECT DISTINCT dataset, split, image_id FROM gathered")
        images = {
            (str(dataset), str(split)): sorted_text(mine["image_id"])
            for (dataset, split), mine in drawn.groupby(["dataset", "split"], observed=True)
        }
        conditions = select(f"SELECT DISTINCT {listed(CONDITION)} FROM gathered ORDER BY ALL")
        wanted = (
            equal(dict(zip(CONDITION, condition, strict=True)))
            for condition in conditions.itertuples(index=False, name=None)
        )
        tables = [
            per_dataset(select(f"FROM gathered WHERE {condition}"), KEYS, summarise, images=images)
            for condition in wanted
        ]
    if not tables:
        return pd.DataFrame(columns=[*COLUMNS, *AGAINST_UNPRUNED])
    return pd.concat(tables).sort_values(list(KEYS), ignore_index=True)


def ratio(num: np.ndarray, den: np.ndarray) -> np.ndarray:
    """``num / den``, nan where that is undefined."""
    return np.divide(num, den, out=np.full(np.shape(num), np.nan), where=den > 0)


def _interval(means: Replicates, names: Sequence[str], error: str = "") -> dict[str, np.ndarray]:
    """``names`` for value and limits, with the standard error if it has a name.

    An extreme of noisy groups is more extreme in a replicate than in the sample, and absolute gaps add up noise: the
    limits are widened to hold the value.
    """
    lo, hi = means.interval(LEVEL)
    limits = (means.value, np.minimum(lo, means.value), np.maximum(hi, means.value))
    columns = dict(zip(names, limits, strict=True))
    return columns | ({error: means.standard_errors()} if error else {})
