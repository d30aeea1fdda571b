"""Is accuracy lost to damaged pixels, or to the wrong tokens being kept? Needs the experiment ``transplant``."""

import pandas as pd

from robust_atp.image_sums import ImageSums, per_dataset
from robust_atp.query import ARM, CONDITION, POPULATION, Records, listed, query
from robust_atp.stats import holm

_ARM = (*POPULATION, *ARM)
_QUESTION = (*_ARM, "image_id", "question_id")


def transplant(records: Records) -> pd.DataFrame:
    """Effects per arm × corruption × severity, shares in [-1, 1]; positive where accuracy is lost.

    With Y(pixels, places) the score from clean or corrupted pixels at the places kept of the clean or of the
    corrupted image:

    - ``total effect`` Y(clean, clean) - Y(corrupted, corrupted)
    - ``pixel effect`` Y(clean, clean) - Y(corrupted, clean): what is lost though the places are the right ones
    - ``selection effect`` Y(clean, clean) - Y(clean, corrupted): what is lost *because* other tokens are kept,
      while every one of them is undamaged
    - ``selection effect on corrupted pixels`` Y(corrupted, clean) - Y(corrupted, corrupted): the rest of the total
      beyond the pixel effect

    Random pruning draws its places anew under every condition, so that its selection effect is 0 but for chance.
    Noise seeds are averaged; intervals are clustered t intervals over images, with ``p`` per cell. The columns
    are those of ``ImageSums.t_table``. Empty without the experiment.
    """
    return per_dataset(_effects(records), (*_ARM, *CONDITION, "quantity"), ImageSums.t_table)


def mean_transplant(records: Records) -> pd.DataFrame:
    """The effects of ``transplant`` averaged over corruptions and severities: one row per arm and effect.

    ``p_holm`` is adjusted over the arms of a backbone and data set, for each effect.
    """
    effects = per_dataset(_effects(records), (*_ARM, "quantity"), ImageSums.t_table)
    p_holm = effects.groupby([*POPULATION, "quantity"])["p"].transform(lambda p: holm(p.to_numpy()))
    return effects.assign(p_holm=p_holm).rename(columns={"n": "answers"})


def _effects(records: Records) -> pd.DataFrame:
    """Sums per image of each effect of one question."""
    return query(
        records,
        f"""
        WITH clean AS (
            SELECT {listed(_QUESTION)}, avg(score) AS both_clean FROM records
            WHERE intervention = 'clean' GROUP BY ALL
        ),
        corrupted AS (
            SELECT {listed((*_QUESTION, *CONDITION))},
                   avg(score) FILTER (variant = 'own') AS both_corrupted,
                   avg(score) FILTER (variant = 'clean places') AS clean_places,
                   avg(score) FILTER (variant = 'clean pixels') AS clean_pixels
            FROM variants WHERE severity > 0 GROUP BY ALL
        ),
        effects AS (
            SELECT {listed((*_ARM, *CONDITION))}, image_id,
                   both_clean - both_corrupted AS "total effect",
                   both_clean - clean_places AS "pixel effect",
                   both_clean - clean_pixels AS "selection effect",
                   clean_places - both_corrupted AS "selection effect on corrupted pixels"
            FROM corrupted JOIN clean USING ({listed(_QUESTION)})
            WHERE clean_places IS NOT NULL AND clean_pixels IS NOT NULL
        ),
        long AS (UNPIVOT effects ON COLUMNS('effect') INTO NAME quantity VALUE share)
        SELECT {listed((*_ARM, *CONDITION))}, quantity, image_id, sum(share) AS num, count(*) AS den
        FROM long GROUP BY ALL
        """,
    )
