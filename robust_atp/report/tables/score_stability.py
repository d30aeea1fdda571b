"""How stable token scores are, before a budget makes sets of them."""

import numpy as np
import pandas as pd

from robust_atp.image_sums import ImageSums
from robust_atp.query import CONDITION, Records, has_column, query
from robust_atp.report.tables.kept_pairs import blocks, unpacked
from robust_atp.report.tables.pruned_arms import PrunedArm, pruned_arms
from robust_atp.report.tables.quantities import beside_random, sums_per_image
from robust_atp.stability import boundary_margin, corrected_rbo, spearman, weighted_tau

# A weighted τ of 576 scores takes two milliseconds.
_IMAGES = 100

_UNDEFINED = {
    "spearman": "the scores of an image are all equal",
    "weighted_tau": "the scores of an image are all equal",
    "rbo": "nothing is kept",
    "boundary_margin": "the tokens kept are not those of the highest scores, or half of the scores are equal",
}


def score_stability(records: Records) -> pd.DataFrame:
    """Compare the scores of all tokens on the clean image with those on its corrupted version.

    One row per arm × corruption × severity × quantity, as in ``kept_token_shift``, of studies with
    ``record: scores`` and arms that have them; random pruning's scores are new numbers on every image.

    ===============  =======  ==================================================================================
    quantity         range    meaning; by chance; nan where
    ===============  =======  ==================================================================================
    spearman         [-1, 1]  rank correlation of all scores, the tail of never kept ones included; 0; constant
    weighted_tau     [-1, 1]  Vigna's τ, in which exchanges near the top weigh most; 0; constant
    rbo              ≤ 1      rank-biased overlap whose first K ranks carry 90 % of the weight, K as kept on the
                              clean image, less its expectation by chance; 0; K = 0
    boundary_margin  ≥ 0      s_(K) − s_(K+1) over the interquartile range of the scores, for the clean image too
                              (severity 0): a small one makes swaps cheap; that of K random numbers; the kept
                              tokens are not the K best
    ===============  =======  ==================================================================================

    Equal scores rank by place in ``rbo``, share a rank elsewhere. Measured on 100 images of each data set.
    """
    scored = pruned_arms(records) if has_column(records, "scores") else []
    return beside_random([_of_arm(records, arm) for arm in scored])


def _of_arm(records: Records, arm: PrunedArm) -> pd.DataFrame:
    pairs = _scored_pairs(records, arm)
    if pairs.empty:
        return pd.DataFrame()
    sums = pd.concat([_block_sums(block) for block in blocks(pairs)])
    table = ImageSums.of(sums, (*CONDITION, "quantity")).table()
    note = table["quantity"].map(_UNDEFINED).where(table["value"].isna(), "")
    return table.assign(**arm.columns(), note=note)


def _scored_pairs(records: Records, arm: PrunedArm) -> pd.DataFrame:
    """Distinct pairs of scores with the sets that were kept; the clean image is paired with itself, too."""
    return query(
        records,
        f"""
        WITH arm AS (
            SELECT *, kept[-1] AS last FROM records
            WHERE {arm.own} AND scores IS NOT NULL AND image_id IN {arm.images(_IMAGES)}
              AND (severity > 0 OR intervention = 'clean')
        ),
        clean AS (
            SELECT grid, image_id, question_id, scores AS clean_scores, last AS clean
            FROM arm WHERE severity = 0
        ),
        seeds AS (
            SELECT intervention, severity, count(DISTINCT noise_seed) AS seeds FROM arm GROUP BY ALL
        )
        SELECT intervention, severity, grid, image_id, tokens_total, clean_scores, scores, clean,
               last AS corrupted, count(*) / any_value(seeds) AS weight
        FROM arm JOIN clean USING (grid, image_id, question_id) JOIN seeds USING (intervention, severity)
        GROUP BY intervention, severity, noise_seed, grid, image_id, tokens_total, clean_scores, scores,
                 clean, last
        ORDER BY ALL
        """,
    )


def _block_sums(pairs: pd.DataFrame) -> pd.DataFrame:
    """Sums per image, cell and quantity of pairs with equally many tokens."""
    tokens = int(pairs["tokens_total"].iloc[0])
    scores, kept = _matrix(pairs["scores"]), unpacked(pairs["corrupted"], tokens)
    margins = {"boundary_margin": boundary_margin(scores, _chosen_by_rank(scores, kept))}
    sums = [sums_per_image(pairs, margins)]
    bad = (pairs["severity"] > 0).to_numpy()
    if bad.any():
        clean, count = _matrix(pairs["clean_scores"][bad]), unpacked(pairs["clean"][bad], tokens).sum(axis=1)
        compared = {
            "spearman": spearman(clean, scores[bad]),
            "weighted_tau": weighted_tau(clean, scores[bad]),
            "rbo": corrected_rbo(clean, scores[bad], count),
        }
        sums.append(sums_per_image(pairs[bad], compared))
    return pd.concat(sums)


def _chosen_by_rank(scores: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Number of kept tokens [M] where they are those of the highest scores, 0 where they are not."""
    count = kept.sum(axis=1)
    rank = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    return np.where(((rank < count[:, None]) == kept).all(axis=1), count, 0)


def _matrix(scores: pd.Series) -> np.ndarray:
    return np.stack([np.asarray(row, dtype=float) for row in scores])
