"""ROUGE-L of a caption, as the COCO caption evaluation computes it."""

from collections.abc import Sequence

_BETA = 1.2


def rouge_l(candidate: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """F of the longest common subsequence, in [0, 1]: (1 + β²)·P·R / (R + β²·P), β = 1.2.

    P and R are the highest precision and the highest recall over the references, which need not be of the same one.
    As in the official program, a caption without words is one empty word, and matches another such.

    Lin, ROUGE: A Package for Automatic Evaluation of Summaries, 2004.
    """
    candidate = candidate or [""]
    captions = [caption or [""] for caption in references]
    common = [_longest_common_subsequence(candidate, caption) for caption in captions]
    precision = max(common) / len(candidate)
    recall = max(length / len(caption) for length, caption in zip(common, captions, strict=True))
    if not precision or not recall:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _longest_common_subsequence(left: Sequence[str], right: Sequence[str]) -> int:
    above = [0] * (len(right) + 1)
    for word in left:
        row = [0]
        for column, other in enumerate(right):
            row.append(above[column] + 1 if word == other else max(above[column + 1], row[column]))
        above = row
    return above[-1]
