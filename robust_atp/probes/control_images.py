"""What is answered without looking?"""

import pandas as pd

from robust_atp.probes.probe import OnPhantom, Probe
from robust_atp.probes.quantities import CELL, quantity_sums, tabulate
from robust_atp.query import ARM, POPULATION, Records, listed


def control_images(records: Records) -> pd.DataFrame:
    """Answers to images that do not show what is asked about (blank, another image's pixels, …).

    ``blind accuracy`` is the mean score there, ``visual gain`` the mean score on the clean image minus it,
    and ``agreement`` the share of questions whose answer is the same word for word as on the clean image:
    high agreement with the blind answer means that the image changed nothing.
    """
    answers = f"""
        WITH clean AS (
            SELECT {listed((*POPULATION, *ARM))}, image_id, question_id, avg(score) AS seen,
                   first(prediction ORDER BY noise_seed) AS answered
            FROM records WHERE intervention = 'clean' GROUP BY ALL
        )
        SELECT {listed(CELL)}, image_id, score, seen, prediction = answered AS same
        FROM records JOIN clean USING ({listed((*POPULATION, *ARM))}, image_id, question_id)
        WHERE severity = 0 AND intervention <> 'clean'
    """
    quantities = {"blind accuracy": "score", "visual gain": "seen - score", "agreement": "same"}
    return tabulate(records, quantity_sums(answers, quantities))


PROBE = Probe(
    name="control-images",
    summary="accuracy on images without the scene (blank, shuffled), and what seeing adds to it",
    needs="control images (blank, shuffled, …) among the interventions",
    run=control_images,
    question="What is answered without the scene?",
    reading="Accuracy on the clean image and on control images: a blank one has nothing left, a shuffled one its local "
    "texture but no arrangement.",
    on_phantom=OnPhantom("visual gain", measured=(0.569, 0.276, -1.64), intervention="blank"),
)
