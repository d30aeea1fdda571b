"""What is answered without looking?"""

import pandas as pd

from robust_atp.probes.probe import OnPhantom, Probe
from robust_atp.probes.quantities import KEYS, tabulate
from robust_atp.query import ARM, POPULATION, Records, image_rows, listed


def control_images(records: Records) -> pd.DataFrame:
    """Answers to images that do not show what is asked about (blank, another image's pixels, …).

    ``blind accuracy`` is the mean score there, ``visual gain`` the mean score on the clean image minus it,
    and ``agreement`` the share of questions whose answer is the same word for word as on the clean image:
    high agreement with the blind answer means that the image changed nothing.
    """
    sums = image_rows(
        records,
        f"""
        WITH blind AS (SELECT * FROM records WHERE severity = 0 AND intervention <> 'clean'),
        clean AS (
            SELECT {listed((*POPULATION, *ARM))}, image_id, question_id, avg(score) AS seen,
                   first(prediction ORDER BY noise_seed) AS answered
            FROM records WHERE intervention = 'clean' GROUP BY ALL
        ),
        pairs AS (
            SELECT *, score AS "blind accuracy", seen - score AS "visual gain",
                   (prediction = answered)::DOUBLE AS agreement
            FROM blind JOIN clean USING ({listed((*POPULATION, *ARM))}, image_id, question_id)
        ),
        long AS (
            UNPIVOT pairs ON "blind accuracy", "visual gain", agreement INTO NAME quantity VALUE share
        )
        SELECT {listed(KEYS)}, image_id, sum(share) AS num, count(*) AS den FROM long GROUP BY ALL
        """,
    )
    return tabulate(sums)


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
