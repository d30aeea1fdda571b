"""The phantom's records with the keys of other data sets, so that their probes, too, are tried on a known truth."""

import json

import pandas as pd

from robust_atp.phantom.world import COLOURS, SHAPES


def with_frequency(records: pd.DataFrame) -> pd.DataFrame:
    """Label questions about shape as GQA-OOD does: on this background the answer is frequent (head) or rare (tail).

    Frequent means in the shortcut world, where the answer that the background suggests is right in 95 of 100 scenes.
    """
    label = {"aligned": "head", "conflict": "tail"}
    alignment = records["group"].map(lambda group: json.loads(group).get("alignment", ""))
    return records.assign(group=[json.dumps({"frequency": label[a]} if a else {}) for a in alignment])


def with_pairs(records: pd.DataFrame) -> pd.DataFrame:
    """Pair questions as VQAv2 does: of one wording, about two scenes, with different answers."""
    asked = _questions(records).sort_values(["question", "answer", "question_id"])
    group: dict[str, str] = {}
    for _, alike in asked.groupby("question"):
        members = list(zip(alike["question_id"], alike["answer"], strict=True))
        half = len(members) // 2
        # Sorted by answer, the two halves differ wherever no answer fills more than one of them.
        for (one, answer), (other, other_answer) in zip(members[:half], members[half:], strict=False):
            if answer != other_answer:
                group |= dict.fromkeys((one, other), json.dumps({"pair": f"{one}-{other}"}))
    return records.assign(group=records["question_id"].map(lambda name: group.get(name, "{}")))


def with_entailments(records: pd.DataFrame) -> pd.DataFrame:
    """Say as GQA does which questions about existence follow from the answer to one about shape or colour.

    That a scene's only red object is a star settles "Is there anything red?", "Is there a star?" and whether there is
    a red one of any shape.
    """
    asked = _questions(records)
    existence = asked[asked["question_type"] == "existence"]
    pairs = asked[asked["question_type"].isin(["shape", "colour"])].merge(
        existence, on="image_id", suffixes=("", "_entailed")
    )
    texts = zip(pairs["question"], pairs["answer"], pairs["question_entailed"], strict=True)
    follows = [_follows(*text) for text in texts]
    entailed = pairs[follows].groupby("question_id")["question_id_entailed"].agg(" ".join)
    return records.assign(
        group=records["question_id"].map(lambda name: json.dumps({"entailed": entailed.get(name, "")}))
    )


def _follows(question: str, answer: str, other: str) -> bool:
    subject = question.strip("?").split()[-1]
    colour, shape = (subject, answer) if answer in SHAPES else (answer, subject)
    asked = other.strip("?").split()[2:]  # behind "Is there"
    if len(asked) == 2:
        return asked[1] in (colour, shape)
    # Only what the question is about is known to be the only one of its colour, or of its shape.
    return asked[1] == colour if subject in COLOURS else asked[2] == shape


def _questions(records: pd.DataFrame) -> pd.DataFrame:
    columns = ["image_id", "question_id", "question", "question_type", "answer"]
    return records[columns].drop_duplicates()
