"""Official metrics as pure functions of answers and references."""

from collections.abc import Callable, Mapping, Sequence

from robust_atp.scoring.pope import pope_answer, pope_correct, pope_scores
from robust_atp.scoring.vqa import normalize_vqa, vqa_accuracy

__all__ = ["METRICS", "normalize_vqa", "pope_answer", "pope_correct", "pope_scores", "vqa_accuracy"]


# What a data set calls its metric -> score of one answer in [0, 1].
METRICS: Mapping[str, Callable[[str, Sequence[str]], float]] = {
    "vqa": vqa_accuracy,
    "pope": pope_correct,
}
