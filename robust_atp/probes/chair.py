"""Do captions name objects that are not there?"""

import pandas as pd

from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import CELL, KEYS, tabulate
from robust_atp.query import Records, listed
from robust_atp.scoring.coco_objects import object_pattern, object_words

_CAPTION = f"{listed(CELL)}, noise_seed, image_id, question_id"
_QUESTION = "dataset, split, question_id"


def chair(records: Records) -> pd.DataFrame:
    """CHAIR of captions: an object is hallucinated if neither an annotated instance nor a reference names it.

    ``CHAIRs`` is the share of captions with a hallucinated object, ``CHAIRi`` that of hallucinated among all mentions
    (n counts mentions), ``recall`` the share of the objects of the truth that the caption names (n counts objects), and
    ``length`` the words of a caption, no share: short captions have little room for either.

    Objects are COCO's 80 categories under the words of ``robust_atp.scoring.coco_objects``, a list of our own, and the
    longest phrase counts: figures stand beside each other in one study, not beside those of the official program.
    Rohrbach et al., Object Hallucination in Image Captioning, EMNLP 2018.
    """
    words = object_words()
    pattern = object_pattern(words).replace("'", "''")
    named = [(word, category) for word, category in words.items() if category]
    sums = f"""
    WITH captions AS (
        SELECT {_CAPTION}, answers, json_extract_string("group", '$.objects') AS shown,
               {_plain("prediction")} AS caption
        FROM records WHERE answer_type = 'caption' AND json_extract_string("group", '$.objects') IS NOT NULL
    ),
    images AS (SELECT DISTINCT {_QUESTION}, shown, {_plain("array_to_string(answers, '.')")} AS said FROM captions),
    truth AS (
        SELECT {_QUESTION}, unnest(string_split(nullif(shown, ''), ', ')) AS object FROM images
        UNION
        SELECT {_QUESTION}, object
        FROM (SELECT {_QUESTION}, unnest(regexp_extract_all(said, '{pattern}')) AS word FROM images)
        JOIN words USING (word)
    ),
    mentions AS (
        SELECT {_CAPTION}, object, count(*) AS times
        FROM (SELECT {_CAPTION}, unnest(regexp_extract_all(caption, '{pattern}')) AS word FROM captions)
        JOIN words USING (word) GROUP BY ALL
    ),
    judged AS (
        SELECT {_CAPTION}, sum(times) AS mentioned, coalesce(sum(times) FILTER (is_there IS NULL), 0) AS wrong,
               count(*) FILTER (is_there IS NOT NULL) AS found
        FROM mentions LEFT JOIN (SELECT *, true AS is_there FROM truth) USING ({_QUESTION}, object)
        GROUP BY ALL
    ),
    counts AS (
        SELECT captions.*, coalesce(mentioned, 0) AS mentioned, coalesce(wrong, 0) AS wrong,
               coalesce(found, 0) AS found, coalesce(objects, 0) AS objects
        FROM captions LEFT JOIN judged USING ({_CAPTION})
        LEFT JOIN (SELECT {_QUESTION}, count(*) AS objects FROM truth GROUP BY ALL) USING ({_QUESTION})
    ),
    long AS (
        SELECT *, 'CHAIRs' AS quantity, (wrong > 0)::INT AS num, 1 AS den FROM counts
        UNION ALL SELECT *, 'CHAIRi', wrong, mentioned FROM counts
        UNION ALL SELECT *, 'recall', found, objects FROM counts
        UNION ALL SELECT *, 'length', if(caption = '', 0, len(string_split(caption, ' '))), 1 FROM counts
    )
    SELECT {listed(KEYS)}, image_id, sum(num) AS num, sum(den) AS den FROM long WHERE den > 0 GROUP BY ALL
    """
    return tabulate(records, sums, words=pd.DataFrame(named, columns=["word", "object"]))


def _plain(text: str) -> str:
    """SQL for ``text`` in lower case, its words separated by one space each."""
    return rf"trim(regexp_replace(lower({text}), '[\s-]+', ' ', 'g'))"


PROBE = Probe(
    name="chair",
    summary="objects in captions that are not in the image: share of captions (CHAIRs) and of mentions (CHAIRi)",
    needs="captions of images whose objects are annotated (coco-captions with instances)",
    run=chair,
    question="Do captions name objects that are not there?",
    reading="Clean images: the share of captions with an object that neither annotations nor references name, the "
    "share of such objects among all mentions, and the share of the objects in the image that captions name.",
    marks=Marks({"CHAIRs": "captions (CHAIRs)", "CHAIRi": "mentions (CHAIRi)", "recall": "objects named"}),
    on_phantom=OnPhantom("CHAIRs", why_not="the phantom answers questions, it writes no captions"),
)
