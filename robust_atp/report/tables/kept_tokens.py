"""Do the kept tokens stay the same when the image is corrupted, and is it because of the image?"""

import numpy as np
import pandas as pd

from robust_atp.image_sums import LEVEL, ImageSums, per_dataset
from robust_atp.query import ARM, CONDITION, POPULATION, Records, image_rows, listed
from robust_atp.stability import content_stability, jaccard_chance

_SUBJECT = (*POPULATION, *ARM)
_CELL = (*_SUBJECT, *CONDITION)

COLUMNS = (
    *(*_CELL, "kappa", "lo", "hi", "kappa_other", "content", "content_lo", "content_hi"),
    *("jaccard", "jaccard_chance", "n", "images", "note"),
)

# Other images that each image is compared with. Three make the baseline's noise small beside that of S_same.
_PARTNERS = 3

# Images are numbered in the order of their hashes; the partner of an image is one of the next ones of the same grid,
# so that each pair of sets is found by one equality of numbers and counts the same places.
_PAIRS = f"""
    images AS (
        SELECT backbone, dataset, split, grid, image_id, count(*) OVER alike AS images,
               row_number() OVER (alike ORDER BY md5(image_id), image_id) - 1 AS place
        FROM (SELECT DISTINCT backbone, dataset, split, grid, image_id FROM records)
        WINDOW alike AS (PARTITION BY backbone, dataset, split, grid)
    ),
    sets AS (
        SELECT {listed(_CELL)}, grid, image_id, place, images, noise_seed, tokens_total, kept[-1]::BIT AS kept,
               dense_rank() OVER (PARTITION BY {listed(_CELL)}, image_id ORDER BY question_id) AS turn
        FROM records JOIN images USING (backbone, dataset, split, grid, image_id)
        WHERE pruner <> 'none' AND (severity > 0 OR intervention = 'clean')
    ),
    clean AS (
        SELECT {listed(_SUBJECT)}, grid, image_id, place, images, turn, first(kept ORDER BY noise_seed) AS kept
        FROM sets WHERE severity = 0 GROUP BY ALL
    ),
    sought AS (
        SELECT * EXCLUDE (place), (place + step) % images AS place, step = 0 AS same
        FROM clean, range({_PARTNERS + 1}) steps(step) WHERE step < images
    ),
    pairs AS (
        SELECT {listed(_CELL, "bad")}, sought.image_id, same, bad.tokens_total AS n,
               bit_count(sought.kept) AS a, bit_count(bad.kept) AS b, bit_count(sought.kept & bad.kept) AS r
        FROM sought JOIN sets bad USING ({listed(_SUBJECT)}, grid, place, turn) WHERE bad.severity > 0
    )
"""


def kept_token_stability(records: Records) -> pd.DataFrame:
    """Agreement of the token set kept on the clean image with the one kept on its corrupted version.

    Per arm × corruption × severity: Cohen's ``kappa`` (0 by chance, 1 for equal sets) with a bootstrap
    interval over images; ``jaccard`` beside ``jaccard_chance``, its exact expectation for random sets of the
    same sizes; ``kappa_other``, kappa with the corrupted version of *another* image; and ``content``, the part
    that is due to the image: (kappa - kappa_other) / (1 - kappa_other). A pruner that always keeps the same
    positions has kappa 1 and no defined content stability. The last stage counts where a pruner cuts several
    times.

    Source: the cross-image baseline is the null for pruners with positional preferences; a uniformly random
    set, as in Jaccard's chance level, is not.
    """
    found = image_rows(
        records,
        f"""
        WITH {_PAIRS}
        SELECT {listed(_CELL)}, same, image_id, a, b, n,
               sum((r - a * b / n) / nullif((a + b) / 2 - a * b / n, 0)) AS num,
               count(nullif((a + b) / 2 - a * b / n, 0)) AS den,
               count(*) AS pairs, sum(r / nullif(a + b - r, 0)) AS jaccard, grouping(image_id) = 1 AS by_size
        FROM pairs GROUP BY GROUPING SETS (({listed(_CELL)}, same, image_id), ({listed(_CELL)}, same, a, b, n))
        HAVING by_size AND same AND a + b > 0 OR NOT by_size AND den > 0
        """,
    )
    sums = found.loc[~found["by_size"], [*_CELL, "same", "image_id", "num", "den"]]
    if sums.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    table = per_dataset(sums, (*_CELL, "same"), _content_stability)
    return table.merge(_jaccard(found[found["by_size"]]), on=list(_CELL), how="left")[list(COLUMNS)]


def _content_stability(sums: ImageSums) -> pd.DataFrame:
    """Put each cell's kappa beside that of other images and compute the part that is due to the image."""
    cells = sums.cells.reset_index().pivot(index=list(_CELL), columns="same", values="index")
    column = cells.reindex(columns=[True, False]).fillna(-1).astype(int)  # -1: no other image, the nan below
    means = sums.means().map(lambda mean: np.append(mean, np.full((*mean.shape[:-1], 1), np.nan), axis=-1))
    content = means.map(lambda mean: content_stability(mean[..., column[True]], mean[..., column[False]]))
    content_lo, content_hi = content.interval(LEVEL)
    same = sums.table().loc[column[True]].set_axis(column.index).drop(columns=[*_CELL, "same", "se"])
    table = same.rename(columns={"value": "kappa"}).assign(
        kappa_other=means.value[column[False]],
        content=content.value,
        content_lo=content_lo,
        content_hi=content_hi,
    )
    table = table.reset_index()
    fixed = table["kappa_other"].notna() & table["content"].isna()
    return table.assign(note=np.where(fixed, "image-independent", ""))


def _jaccard(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean Jaccard index per cell and what it would be for random sets of the same sizes.

    ``pairs`` has a row per cell and sizes a, b of N tokens: how many pairs have them, and the sum of their indices.
    """
    sizes = pairs.sort_values([*_CELL, "a", "b", "n"])
    chance = [
        jaccard_chance(int(a), int(b), int(n)) for a, b, n in zip(sizes.a, sizes.b, sizes.n, strict=True)
    ]
    totals = sizes.assign(jaccard_chance=np.array(chance) * sizes.pairs).groupby(list(_CELL), observed=True)
    mean = totals[["jaccard", "jaccard_chance"]].sum().div(totals["pairs"].sum(), axis=0)
    return mean.reset_index()
