"""What an arm costs: visual tokens, operations and seconds per answer."""

import pandas as pd

from robust_atp.query import ARM, POPULATION, Records, listed, query


def cost(records: Records) -> pd.DataFrame:
    """Means per arm over all rows. Budgets three ways: tokens entering, tokens averaged over layers, FLOPs.

    ``encode_flops`` are those of the whole image, however many questions are asked about it.

    Seconds are shares of batched wall time on the machine of the study, so only their ratios carry over.
    """
    return query(
        records,
        f"""
        SELECT {listed((*POPULATION, *ARM))}, avg(tokens_total) AS tokens_total,
               avg(tokens_llm) AS tokens_llm, avg(tokens_mean) AS tokens_mean,
               avg(encode_flops) AS encode_flops, avg(prefill_flops) AS prefill_flops,
               avg(seconds_encode) AS seconds_encode, avg(seconds_prune) AS seconds_prune,
               avg(seconds_answer) AS seconds_answer, count(*) AS n
        FROM records GROUP BY ALL ORDER BY ALL
        """,
    )
