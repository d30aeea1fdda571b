"""The language model's part of a unit: arms answer the questions of a shard, and are compared with the unpruned one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from robust_atp.backbones.dropping import Dropping
from robust_atp.backbones.seam import Answer, Backbone, KeptTokens
from robust_atp.data import Example
from robust_atp.sweep.divergence import kl_divergence
from robust_atp.sweep.plan import Arm
from robust_atp.sweep.rows import ArmResult, Encoded


@dataclass(frozen=True)
class Pruned:
    """What one arm kept before the decoder, what it is to drop inside, and how long it took to find out."""

    arm: Arm
    encoded: Encoded
    kept: KeptTokens
    droppings: list[Dropping] | None
    seconds: float


def answer(
    backbone: Backbone,
    pruned: Sequence[Pruned],
    examples: Sequence[Example],
    task: str,
    unpruned: Sequence[Answer] = (),
) -> tuple[list[ArmResult], Sequence[Answer]]:
    """Answer Q questions of a task for all arms: those that drop inside the decoder together, the others alone.

    The former share the first layers. The latter could fill one batch too, but an arm's time would then
    not be its own. Answers are compared with ``unpruned``, by default those of the unpruned arm, which comes
    first if it is there. What they were compared with is returned, too, distributions and all.
    """
    batches: dict[int | None, list[Pruned]] = {}
    for number, p in enumerate(pruned):
        batches.setdefault(None if _enters_whole(p) else number, []).append(p)
    results: dict[int, ArmResult] = {}
    for together in batches.values():
        answers, seconds = _answer_together(backbone, together, examples, task)
        if not unpruned and together[0].arm.pruner == "none":
            unpruned = answers
        for number, p in enumerate(together):
            own = answers[number * len(examples) : (number + 1) * len(examples)]
            results[id(p)] = _result(p, own, unpruned, seconds)
    return [results[id(p)] for p in pruned], unpruned


def _answer_together(
    backbone: Backbone, together: Sequence[Pruned], examples: Sequence[Example], task: str
) -> tuple[list[Answer], float]:
    """Answers of all arms, one arm after the other, and seconds per answer."""
    # Several arms keep every token on the way in. The backbone tells equal prompts by their tensors being the
    # same objects, so all take those of the first.
    kept = together[0].kept
    parts = (kept.features, kept.indices, kept.totals, kept.off_grid, kept.layouts, kept.thinned)
    features, indices, totals, off_grid, layouts, thinned = ([*part] * len(together) for part in parts)
    questions = [example.question for example in examples] * len(together)
    ways = [way for p in together for way in p.droppings or ()]
    start = perf_counter()
    answers = backbone.answer(
        KeptTokens(features, indices, totals, kept.position_policy, off_grid, layouts, thinned),
        questions,
        ways or None,
        task,
    )
    return answers, (perf_counter() - start) / len(answers)


def _result(
    pruned: Pruned, answers: Sequence[Answer], unpruned: Sequence[Answer], seconds: float
) -> ArmResult:
    divergences = [_divergence(*pair) for pair in zip(unpruned, answers, strict=True)] if unpruned else None
    # The distributions of eighty arms would fill the memory.
    told = [replace(own, first_logprobs=None) for own in answers]
    return ArmResult(
        pruned.arm, pruned.encoded, pruned.kept, told, divergences, pruned.seconds / len(told), seconds
    )


def _divergence(unpruned: Answer, own: Answer) -> float | None:
    if unpruned.first_logprobs is None or own.first_logprobs is None:
        return None
    return kl_divergence(unpruned.first_logprobs, own.first_logprobs)


def _enters_whole(pruned: Pruned) -> bool:
    """Whether all tokens enter the decoder, to be dropped inside: both position policies number them alike."""
    kept = pruned.kept
    return pruned.droppings is not None and all(
        len(indices) == total for indices, total in zip(kept.indices, kept.totals, strict=True)
    )
