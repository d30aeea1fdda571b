"""Are the tokens that stay on the objects?"""

import pandas as pd

from robust_atp.probes.probe import OnPhantom, Probe
from robust_atp.probes.quantities import CELL, quantity_sums, tabulate
from robust_atp.query import Records, listed


def kept_token_recall(records: Records) -> pd.DataFrame:
    """Compare the K kept of N tokens with the patches O at least half covered by an object.

    ``recall`` |K ∩ O| / |O|, ``floor`` K / N (what a random set of the same size has on average), ``lift``
    recall / floor, ``precision`` |K ∩ O| / |K|. Images without such a patch are left out. Control images are
    too: nothing on them is where the mask says.
    """
    answers = f"""
        WITH sets AS (
            SELECT {listed(CELL)}, image_id, tokens_total AS n, kept[-1]::BIT AS tokens, object_patches::BIT AS objects
            FROM records WHERE object_patches IS NOT NULL AND (severity > 0 OR intervention = 'clean')
        ),
        counts AS (
            SELECT *, bit_count(tokens & objects) AS hits, bit_count(tokens) AS k, bit_count(objects) AS o FROM sets
        )
        FROM counts WHERE o > 0 AND k > 0
    """
    quantities = {
        "recall": "hits / o",
        "floor": "k / n",
        "lift": "hits / o / (k / n)",
        "precision": "hits / k",
    }
    return tabulate(records, quantity_sums(answers, quantities))


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
