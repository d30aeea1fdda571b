"""Does the answer follow the image? The same question about two images, with two different answers."""

import numpy as np
import pandas as pd
from scipy.stats import t

from robust_atp.image_sums import LEVEL
from robust_atp.probes.phantom_views import with_pairs
from robust_atp.probes.probe import AGAINST_UNPRUNED, COLUMNS, Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, KEYS
from robust_atp.query import CONDITION, POPULATION, Records, listed, query


def pairs(records: Records) -> pd.DataFrame:
    """Complementary pairs, both members of which the study asks; what three questions share is no pair.

    ``both right`` is the share of pairs with both questions answered right (score at least one half), ``same answer``
    the share with one answer word for word to both images: as the right answers differ, it would be 0 for a model
    that sees, and 1 for one that does not look. n counts pairs.

    A pair belongs to two images and an image to several pairs: standard errors add up all pairs that share an image.
    Goyal et al., Making the V in VQA Matter, CVPR 2017.
    """
    sums = query(
        records,
        f"""
        WITH members AS (
            SELECT *, unnest(string_split(json_extract_string("group", '$.pair'), ' ')) AS pair FROM records
        ),
        complete AS (
            SELECT dataset, split, pair FROM members GROUP BY ALL HAVING count(DISTINCT question_id) = 2
        ),
        asked AS (
            SELECT {listed(CELL)}, pair, a.image_id AS one, b.image_id AS other,
                   avg((a.score >= 0.5 AND b.score >= 0.5)::INT) AS "both right",
                   avg((a.prediction = b.prediction)::INT) AS "same answer"
            FROM (FROM members SEMI JOIN complete USING (dataset, split, pair)) a
            JOIN members b USING ({listed(CELL)}, noise_seed, pair)
            WHERE pair <> '' AND a.question_id < b.question_id AND a.image_id <> b.image_id GROUP BY ALL
        ),
        shares AS (UNPIVOT asked ON "both right", "same answer" INTO NAME quantity VALUE share),
        compared AS (
            SELECT {listed(KEYS, "arm")}, pair, arm.one, arm.other, arm.share,
                   if(pruner = 'none', NULL, arm.share - whole.share) AS difference
            FROM shares arm LEFT JOIN (SELECT * EXCLUDE pruner FROM shares WHERE pruner = 'none') whole
            USING ({listed((*POPULATION, *CONDITION))}, quantity, pair)
        ),
        long AS (UNPIVOT compared ON share, difference INTO NAME measure VALUE x),
        centred AS (SELECT *, x - avg(x) OVER (PARTITION BY {listed(KEYS)}, measure) AS e FROM long),
        by_image AS (
            SELECT {listed(KEYS)}, measure, count(*) AS images, sum(s ** 2) AS image_squares
            FROM (
                SELECT {listed(KEYS)}, measure, image, sum(e) AS s
                FROM (SELECT *, unnest([one, other]) AS image FROM centred) GROUP BY ALL
            ) GROUP BY ALL
        ),
        by_pair AS (
            SELECT {listed(KEYS)}, measure, count(*) AS n, avg(x) AS value, sum(e ** 2) AS pair_squares
            FROM centred GROUP BY ALL
        )
        FROM by_pair JOIN by_image USING ({listed(KEYS)}, measure) WHERE images >= 4 ORDER BY ALL
        """,
    )
    sums = sums.assign(**_limits(sums))
    share, difference = (sums[sums["measure"] == name] for name in ("share", "difference"))
    names = dict(zip(("value", "lo", "hi"), AGAINST_UNPRUNED, strict=True))
    against = difference.rename(columns=names)[[*KEYS, *AGAINST_UNPRUNED]]
    return share.merge(against, on=list(KEYS), how="left")[[*COLUMNS, *AGAINST_UNPRUNED]]


def _limits(sums: pd.DataFrame) -> dict[str, np.ndarray]:
    """Standard errors and t intervals of means over pairs that may share images, within [0, 1] or [-1, 1].

    With e_p the residual of pair p and S_g the sum over the pairs of image g, the products of all pairs that have an
    image in common add up to Σ_g S_g² - Σ_p e_p² (a pair shares two images with itself); the variance is that over n²,
    times u/(u - 1) with u = images / 2 the pairs that as many images make if none is shared, and df = u - 1. It is no
    less than that of independent pairs: the sum can fall below it, and below 0, by chance.
    Aronow, Samii and Assenova, Cluster-robust variance estimation for dyadic data, 2015.
    """
    n, units, value = sums["n"].to_numpy(float), sums["images"].to_numpy() / 2, sums["value"].to_numpy()
    by_pair = sums["pair_squares"].to_numpy()
    squares = np.maximum(sums["image_squares"].to_numpy() - by_pair, by_pair)
    se = np.sqrt(units / (units - 1) * squares) / n
    half = t.ppf((1 + LEVEL) / 2, units - 1) * se
    lowest = np.where(sums["measure"] == "share", 0.0, -1.0)
    return {"se": se, "lo": np.maximum(value - half, lowest), "hi": np.minimum(value + half, 1.0)}


PROBE = Probe(
    name="pairs",
    summary="complementary pairs: both answered right, and the same answer given to both images",
    needs='questions that share a {"pair": …} in the group column (VQAv2 with its list of complementary pairs)',
    run=pairs,
    question="Does the answer follow the image?",
    reading="Pairs of clean images with one question and two answers: the share with both answered right, and with "
    "the same answer to both images, which is wrong for one of them.",
    marks=Marks({"both right": "both right", "same answer": "same answer to both"}),
    on_phantom=OnPhantom("both right", measured=(0.99, 0.66, -1.67), view=with_pairs),
)
