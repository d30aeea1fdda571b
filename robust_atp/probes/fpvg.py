"""Is the answer grounded in the objects?"""

import pandas as pd

from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import quantity_sums, tabulate
from robust_atp.query import ARM, CONDITION, POPULATION, Records, listed

_QUESTION = (*POPULATION, *ARM, *CONDITION, "image_id", "question_id")


def fpvg(records: Records) -> pd.DataFrame:
    """Compare each answer with those from the arm's kept tokens on the objects alone and beside them alone.

    ``objects suffice`` is the share of answers that stay the same with the tokens on the objects only,
    ``background suffices`` that with the others only, and ``faithful`` that for which the first is so and the
    second is not: faithful and plausible visual grounding, FPVG+. It is split by whether the arm's own answer is
    right (score at least one half) into ``faithful right`` and ``faithful wrong``, the rest into ``unfaithful right``
    and ``unfaithful wrong``; the four add up to 1. ``accuracy on objects`` and ``accuracy on background`` are mean
    scores of the two.

    Relevant are all objects that the data set's mask of an image marks, whether the question is about them or
    not: masks do not know the question. A patch counts as object if at least half of it is inside, as background if
    neither it nor a neighbour does. Images whose kept tokens are all on one side are left out. A question with two
    possible answers is answered alike by chance half of the time, so read an arm beside the unpruned model and random
    pruning.

    Tokens are taken away behind the vision tower, which has told its patches of each other. ``background suffices``
    can therefore be high for a model that looks at nothing but objects: it says where an answer can be read off, not
    what the picture must show. For that, see the probe ``counterfactual``.
    Reich, Putze & Schultz, Measuring Faithful and Plausible Visual Grounding in VQA, 2023.
    """
    judged = f"""
        WITH answers AS (
            SELECT {listed(_QUESTION)},
                   first(prediction) FILTER (variant = 'own') AS own,
                   first(prediction) FILTER (variant = 'objects only') AS objects,
                   first(prediction) FILTER (variant = 'background only') AS background,
                   first(score) FILTER (variant = 'own') >= 0.5 AS correct,
                   first(score) FILTER (variant = 'objects only') AS on_objects,
                   first(score) FILTER (variant = 'background only') AS on_background
            FROM variants WHERE intervention = 'clean' GROUP BY ALL
        )
        SELECT *, own = objects AS same, own = background AS background_same, same AND NOT background_same AS good
        FROM answers WHERE objects IS NOT NULL AND background IS NOT NULL
    """
    quantities = {
        "accuracy on objects": "on_objects",
        "accuracy on background": "on_background",
        "objects suffice": "same",
        "background suffices": "background_same",
        "faithful": "good",
        "faithful right": "good AND correct",
        "faithful wrong": "good AND NOT correct",
        "unfaithful right": "NOT good AND correct",
        "unfaithful wrong": "NOT good AND NOT correct",
    }
    return tabulate(records, quantity_sums(judged, quantities))


PROBE = Probe(
    name="fpvg",
    summary="answers that need the tokens on the objects and no others (faithful visual grounding)",
    needs="the experiment grounding, and object masks",
    run=fpvg,
    question="Is the answer grounded in the objects?",
    reading="Share of answers on clean images that stay the same from the kept tokens on the objects alone, from "
    "those beside them alone, and that are faithful: the former and not the latter.",
    marks=Marks(
        {
            "faithful": "faithful",
            "objects suffice": "same from the objects alone",
            "background suffices": "same from the background alone",
        }
    ),
    # ``faithful`` comes out higher with the shortcut, which reads less off tokens that the vision tower has mixed.
    on_phantom=OnPhantom("objects suffice", measured=(0.985, 0.903, -0.99)),
)
