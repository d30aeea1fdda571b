"""Does the answer follow the objects, or the background that usually comes with them?"""

import pandas as pd

from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import tabulate
from robust_atp.query import ARM, POPULATION, Records, listed

_ARM = (*POPULATION, *ARM)
REMOVED = "same without the objects"
SWAPPED = "other with another background"


def counterfactual(records: Records) -> pd.DataFrame:
    """Compare an arm's answers to the clean image with those to two edits of it; both shares should be small.

    ``same without the objects`` is the share of answers that stay the same when all objects are painted over (the
    control image ``objects-removed``), ``other with another background`` the share that change when only what is
    around the objects does (the corruption ``background_swap`` at its highest severity in the study, averaged over
    noise seeds).

    Questions whose right answer is no, none or 0 are left out of the former: it is as right without the objects. A
    guess can be the same by chance, and a question about the background may well be answered otherwise, so read an
    arm beside the unpruned model.
    Agarwal, Shetty & Fritz, Towards Causal VQA, 2020; Xiao et al., Noise or Signal, 2021.
    """
    answer = f"{listed(_ARM)}, image_id, question_id"
    sums = f"""
    WITH clean AS (SELECT {answer}, prediction AS seen FROM records WHERE intervention = 'clean'),
    removed AS (
        SELECT {answer}, '{REMOVED}' AS quantity, (prediction = seen)::DOUBLE AS share
        FROM records JOIN clean USING ({answer})
        WHERE intervention = 'objects-removed' AND lower(answer) NOT IN ('no', 'none', '0')
    ),
    swapped AS (
        SELECT {answer}, '{SWAPPED}' AS quantity, avg((prediction <> seen)::DOUBLE) AS share
        FROM (
            SELECT * FROM records WHERE intervention = 'background_swap'
            QUALIFY severity = max(severity) OVER (PARTITION BY {listed(POPULATION)})
        ) JOIN clean USING ({answer})
        GROUP BY ALL
    )
    SELECT {listed(_ARM)}, 'clean' AS intervention, 0 AS severity, quantity, image_id,
           sum(share) AS num, count(*) AS den
    FROM (FROM removed UNION ALL FROM swapped) GROUP BY ALL
    """
    return tabulate(records, sums)


PROBE = Probe(
    name="counterfactual",
    summary="answers that stay when the objects go, and that change when only the background does",
    needs="the control objects-removed or the corruption background_swap, and so object masks",
    run=counterfactual,
    question="Does the answer follow the objects or the background?",
    reading="Share of answers that stay the same when the objects are painted over, and share that change when only "
    "the background is exchanged: both 0 for a model that answers from the objects and never guesses.",
    marks=Marks({REMOVED: "same without the objects", SWAPPED: "other with another background"}),
    on_phantom=OnPhantom(SWAPPED, measured=(0.114, 0.243, 1.13)),
)
