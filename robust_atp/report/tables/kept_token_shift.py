"""How far, and which, kept tokens move when the image is corrupted."""

from hashlib import md5

import numpy as np
import pandas as pd

from robust_atp.image_sums import ImageSums
from robust_atp.query import CONDITION, Records
from robust_atp.report.tables.kept_pairs import blocks, grids_of, kept_pairs, unpacked
from robust_atp.report.tables.pruned_arms import PrunedArm, pruned_arms
from robust_atp.report.tables.quantities import beside_random, sums_per_image
from robust_atp.report.tables.seed_stability import nogueira_sums
from robust_atp.stability import (
    centroid_shifts,
    emd,
    kuncheva_masks,
    spreads,
    tolerant_stability,
    transport_bounds,
)

# An assignment of 144 tokens takes a millisecond, and a study has cells by the thousand.
_TRANSPORTED_IMAGES = 40

_NO_PLACE = "queries have no place in the image"
# Why a quantity is nan in a cell where it is nan.
_UNDEFINED = {
    "centroid_shift": "a kept set is empty",
    "spread_change": "a kept set is empty",
    "transport_bound": "a kept set is empty",
    "emd": "the sets differ in size, or one is empty: see transport_bound",
    "tolerant_overlap": "random sets of these sizes touch everywhere, or one is empty",
    "kuncheva": "the sets differ in size, or are empty",
    "tokens_change": "",
    "tokens_relative_change": "no token is kept on the clean image",
    "object_retention": "no object patch is kept on the clean image",
    "nogueira": "every noise seed gives the same image and question, or nothing or everything is kept",
}
# A mean over the pairs that happen to be of one size would flatter a budget that follows the image.
_OF_ONE_SIZE = ("emd", "kuncheva")
_UNEQUAL = "unequal"
# Nothing to report where an arm keeps equally many of every image.
_OF_A_BUDGET = ("tokens_change", "tokens_relative_change")
_SPATIAL = ("centroid_shift", "spread_change", "transport_bound", "emd", "tolerant_overlap")


def kept_token_shift(records: Records) -> pd.DataFrame:
    """Compare the tokens kept on the clean image (A) with those kept on its corrupted version (B), of N.

    One row per arm × corruption × severity × quantity: the mean over questions with a bootstrap interval over
    images, and in ``random`` that of random pruning at the same nominal budget, which draws anew for every image.
    The last stage counts where a pruner cuts several times.

    ======================  =========  ============================================================================
    quantity                range      meaning; by chance; nan where
    ======================  =========  ============================================================================
    centroid_shift          [0, 1]     distance of the centroids, in grid diagonals; see random; a set is empty
    spread_change           [-½, ½]    mean distance to the centroid, B less A; 0; a set is empty
    emd                     [0, 1]     Wasserstein-1 distance in grid diagonals, on 40 images; see random; |A| ≠ |B|
    transport_bound         [0, 1]     lower bound of it for sets of any size, from the marginals; see random
    tolerant_overlap        ≤ 1        F1 of tokens with one of the other set within one step, corrected by its
                                       simulated chance; 0; random sets touch everywhere (chance above 0.8)
    kuncheva                [-1, 1]    consistency index; 0; |A| ≠ |B| or a set is empty or full
    nogueira                [-1, 1]    agreement of B between noise seeds, where the study has several; 0; the
                                       corruption draws nothing
    tokens_change           [-N, N]    |B| - |A|, left out where the budget is fixed; none; never
    tokens_relative_change  ≥ -1       |B| / |A| - 1, alike; none; A is empty
    object_retention        [0, 1]     |A ∩ B ∩ O| / |A ∩ O| for object patches O; |B| / N; A ∩ O is empty
    ======================  =========  ============================================================================

    Of a tiled image spatial quantities are the mean over its grids. Where tokens were merged, those made anew
    have no place and do not count. Arms that keep everything are left out, and so is ``object_retention`` without
    masks. A study of many images is measured on 300 of each data set; ``images`` says how many had the quantity.

    Nogueira, Sechidis and Brown, JMLR 2018; Kuncheva, 2007.
    """
    return beside_random([_of_arm(records, arm) for arm in pruned_arms(records)])


def _of_arm(records: Records, arm: PrunedArm) -> pd.DataFrame:
    pairs = kept_pairs(records, arm)
    if pairs.empty:
        return pd.DataFrame()
    carried = set(sorted(pairs["image_id"].unique(), key=_shuffled)[:_TRANSPORTED_IMAGES])
    sums = [_block_sums(block, carried) for block in blocks(pairs)]
    sums += [seeds] if len(seeds := nogueira_sums(records, arm)) else []
    table = _summary(pd.concat(sums))
    note = table["quantity"].map(_UNDEFINED).where(table["value"].isna(), "")
    if set(pairs["prunes"]) == {"queries"}:
        note = note.mask(table["quantity"].isin(_SPATIAL), _NO_PLACE)
    return table.assign(**arm.columns(), note=note)


def _shuffled(image: str) -> str:
    """Sort key that does not follow the images' names: those of one kind often stand together."""
    return md5(image.encode()).hexdigest()


def _block_sums(pairs: pd.DataFrame, carried: set[str]) -> pd.DataFrame:
    """Sums per image, cell and quantity (num, den) of pairs of one grid; what is undefined counts for nothing."""
    tokens = int(pairs["tokens_total"].iloc[0])
    a, b = unpacked(pairs["clean"], tokens), unpacked(pairs["corrupted"], tokens)
    k_a, k_b = a.sum(axis=1), b.sum(axis=1)
    values = {
        "kuncheva": kuncheva_masks(a, b),
        _UNEQUAL: (k_a != k_b).astype(float),
        "tokens_change": (k_b - k_a).astype(float),
        "tokens_relative_change": _ratio(k_b, k_a) - 1,
    }
    if pairs["objects"].notna().any():
        on_objects = a & unpacked(pairs["objects"], tokens)
        values["object_retention"] = _ratio((on_objects & b).sum(axis=1), on_objects.sum(axis=1))
    values |= _spatial(pairs, a, b, pairs["image_id"].isin(carried).to_numpy())
    return sums_per_image(pairs, values)


def _spatial(pairs: pd.DataFrame, a: np.ndarray, b: np.ndarray, carried: np.ndarray) -> dict[str, np.ndarray]:
    """Spatial quantities of pairs of one grid [M], the mean over the grids of a tiled image."""
    if pairs["prunes"].iloc[0] == "queries":
        return {name: np.full(len(a), np.nan) for name in _SPATIAL}
    found, start = [], 0
    for grid in grids_of(pairs["grid"].iloc[0]):
        stop = start + grid[0] * grid[1]
        found.append(
            _on_grid(a[:, start:stop].reshape(-1, *grid), b[:, start:stop].reshape(-1, *grid), carried)
        )
        start = stop
    return {name: _mean_of([values[name] for values in found]) for name in _SPATIAL}


def _on_grid(a: np.ndarray, b: np.ndarray, carried: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "centroid_shift": centroid_shifts(a, b),
        "spread_change": spreads(b) - spreads(a),
        "transport_bound": transport_bounds(a, b),
        "emd": _emds(a, b, carried),
        "tolerant_overlap": tolerant_stability(a, b),
    }


def _emds(a: np.ndarray, b: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """``emd`` of those pairs of equal size that are ``carried``; unequal sizes are a linear program of a second."""
    equal = a.sum(axis=(1, 2)) == b.sum(axis=(1, 2))
    result = np.full(len(a), np.nan)
    for row in np.flatnonzero(carried & equal):
        result[row] = emd(np.flatnonzero(a[row]), np.flatnonzero(b[row]), a.shape[1:])
    return result


def _summary(sums: pd.DataFrame) -> pd.DataFrame:
    """Means with intervals per cell and quantity."""
    cell = list(CONDITION)
    differing = sums[(sums["quantity"] == _UNEQUAL) & (sums["num"] > 0)][cell].drop_duplicates()
    uneven = pd.MultiIndex.from_frame(sums[cell]).isin(pd.MultiIndex.from_frame(differing))
    undefined = sums["quantity"].isin(_OF_ONE_SIZE) & uneven
    sums = sums.assign(**{column: sums[column].mask(undefined, 0.0) for column in ("num", "den")})
    left_out = (_UNEQUAL,) if uneven.any() else (_UNEQUAL, *_OF_A_BUDGET)
    return ImageSums.of(sums[~sums["quantity"].isin(left_out)], (*CONDITION, "quantity")).table()


def _mean_of(grids: list[np.ndarray]) -> np.ndarray:
    """Mean over the grids of an image where it is defined [M]."""
    values = np.stack(grids)
    return _ratio(np.where(np.isnan(values), 0, values).sum(axis=0), (~np.isnan(values)).sum(axis=0))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)
