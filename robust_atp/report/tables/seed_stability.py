"""Do the kept tokens depend on the draw of a corruption's noise?"""

import pandas as pd

from robust_atp.query import Records, query
from robust_atp.report.tables.pruned_arms import PrunedArm


def nogueira_sums(records: Records, arm: PrunedArm) -> pd.DataFrame:
    """Nogueira's Φ over the sets that a question's noise seeds give, summed per image (num, den) and cell.

    Empty unless the study has several seeds. The rows of Φ are exchangeable here, as severities are not; with few
    of them only its mean over images is an estimate, so no interval of a single Φ is used. Questions whose seeds
    all give the same image and words count for nothing: a blur has nothing to draw.

    With R sets of mean size k out of N, Σ_f p_f (1 − p_f) is k less the mean overlap of all R² pairs.
    Nogueira, Sechidis and Brown, On the stability of feature selection algorithms, JMLR 18(174), 2018.
    """
    return query(
        records,
        f"""
        WITH sets AS (
            SELECT intervention, severity, noise_seed, image_id, question_id, question, image_hash,
                   kept[-1]::BIT AS kept, tokens_total AS n
            FROM records WHERE {arm.own} AND severity > 0 AND image_id IN {arm.images()}
        ),
        sizes AS (
            SELECT intervention, severity, image_id, question_id, count(*) AS seeds, any_value(n) AS n,
                   avg(bit_count(kept)) / any_value(n) AS density,
                   count(DISTINCT (image_hash, question)) > 1 AS drawn
            FROM sets GROUP BY ALL HAVING seeds > 1
        ),
        twins AS (
            SELECT one.intervention, one.severity, image_id, question_id,
                   avg(bit_count(one.kept & other.kept) / one.n) AS shared
            FROM sets one JOIN sets other USING (intervention, severity, image_id, question_id) GROUP BY ALL
        ),
        stabilities AS (
            SELECT *, CASE WHEN drawn THEN
                1 - seeds / (seeds - 1) * (density - shared) / nullif(density * (1 - density), 0) END AS phi
            FROM sizes JOIN twins USING (intervention, severity, image_id, question_id)
        )
        SELECT image_id, intervention, severity, 'nogueira' AS quantity,
               coalesce(sum(phi), 0) AS num, count(phi)::DOUBLE AS den
        FROM stabilities GROUP BY ALL ORDER BY ALL
        """,
    )
