"""From values of image pairs to a table of one row per arm, condition and quantity."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from robust_atp.query import ARM, CONDITION, POPULATION

COLUMNS = (
    *(*POPULATION, *ARM, *CONDITION),
    *("quantity", "value", "se", "lo", "hi", "random", "n", "images", "note"),
)


def sums_per_image(pairs: pd.DataFrame, values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Sums (num, den) per image, condition and quantity of the ``values`` [M] of M weighted pairs.

    What is nan counts for nothing, so that a quantity that is nan everywhere keeps a row with den 0.
    """
    keys, weight = pairs[["image_id", *CONDITION]], pairs["weight"].to_numpy(float)
    long = [
        keys.assign(
            quantity=name,
            num=np.where(np.isnan(value), 0, value * weight),
            den=np.where(np.isnan(value), 0, weight),
        )
        for name, value in values.items()
    ]
    sums = pd.concat(long).groupby(["image_id", *CONDITION, "quantity"], sort=True)[["num", "den"]].sum()
    return sums.reset_index()


def beside_random(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put the arms' tables together in ``COLUMNS``, each value beside random pruning's at the same budget."""
    filled = [table for table in tables if len(table)]
    if not filled:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(filled, ignore_index=True)
    cell = [*POPULATION, "keep", *CONDITION, "quantity"]
    random = table[table["pruner"] == "random"].drop_duplicates(cell).set_index(cell)["value"]
    table = table.join(random.rename("random"), on=cell)
    keys = [*POPULATION, *ARM, *CONDITION, "quantity"]
    return table.sort_values(keys, ignore_index=True)[list(COLUMNS)]
