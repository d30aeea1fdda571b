"""Are the tokens that stay on the objects?"""

import pandas as pd

from robust_atp.probes.probe import OnPhantom, Probe
from robust_atp.probes.quantities import KEYS, tabulate
from robust_atp.query import Records, image_rows, listed


def kept_token_recall(records: Records) -> pd.DataFrame:
    """Compare the K kept of N tokens with the patches O at least half covered by an object.

    ``recall`` |K ∩ O| / |O|, ``floor`` K / N (what a random set of the same size has on average), ``lift``
    recall / floor, ``precision`` |K ∩ O| / |K|. Images without such a patch are left out. Control images are
    too: nothing on them is where the mask says.
    """
    sums = image_rows(
        records,
        f"""
        WITH sets AS (
            SELECT *, kept[-1]::BIT AS tokens, object_patches::BIT AS objects FROM records
            WHERE object_patches IS NOT NULL AND (severity > 0 OR intervention = 'clean')
        ),
        counts AS (
            SELECT *, bit_count(tokens & objects) AS hits, bit_count(tokens) AS k, bit_count(objects) AS o
            FROM sets
        ),
        shares AS (
            SELECT *, hits / o AS recall, k / tokens_total AS floor, hits / o / (k / tokens_total) AS lift,
                   hits / k AS precision
            FROM counts WHERE o > 0 AND k > 0
        ),
        long AS (UNPIVOT shares ON recall, floor, lift, precision INTO NAME quantity VALUE share)
        SELECT {listed(KEYS)}, image_id, sum(share) AS num, count(*) AS den FROM long GROUP BY ALL
        """,
    )
    return tabulate(sums)


PROBE = Probe(
    name="kept-token-recall",
    summary="share of the objects' patches among the kept tokens, beside what random pruning keeps of them",
    needs="object masks",
    run=kept_token_recall,
    question="Do the tokens on the objects stay?",
    reading="Share of the object patches that are kept. Dotted: what a random set of the same size keeps on average.",
    on_phantom=OnPhantom(
        "recall",
        measured=(0.584, 0.584, 0.0),
        pruned=True,
        why_not="ATP scores tokens by the vision tower, which the two phantoms share",
    ),
)
