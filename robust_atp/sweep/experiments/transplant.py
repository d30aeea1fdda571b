"""Does corruption harm what is seen, or what is kept? {clean, corrupted pixels} × {places kept of either}.

Two of the four combinations are an arm's own answers to the clean and to the corrupted image.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from robust_atp.interventions import changes_question
from robust_atp.sweep.experiments.experiment import Experiment, Seen, Variation, not_places

if TYPE_CHECKING:
    from robust_atp.pruning import Method
    from robust_atp.sweep.rows import Shard


def _meets(name: str, severity: int) -> bool:
    return severity > 0 and not changes_question(name, severity)


def _unfit(method: "Method") -> str | None:
    return "keeps all tokens" if method.name == "none" else not_places(method)


def _vary(
    shard: "Shard", own: Seen, see_clean: Callable[[], Seen], arms: Sequence[int]
) -> Iterator[Variation]:
    clean, everything = see_clean(), range(len(shard.examples))
    for arm in arms:
        yield Variation("clean places", arm, own, everything, clean.places[arm])
        yield Variation("clean pixels", arm, clean, everything, own.places[arm])


EXPERIMENT = Experiment(
    name="transplant",
    summary="corrupted pixels at the places kept of the clean image, and clean pixels at those kept of the corrupted",
    needs="corrupted images",
    variants=("clean places", "clean pixels"),
    meets=_meets,
    unfit=_unfit,
    vary=_vary,
)
