"""The inline executor: a loop in this process, for debugging, notebooks and small studies."""

from collections.abc import Iterator, Sequence

from robust_atp.errors import UserError
from robust_atp.sweep.evaluator import Evaluator
from robust_atp.sweep.executors import Resources
from robust_atp.sweep.outcome import Outcome
from robust_atp.sweep.plan import Unit
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study


def evaluate(study: Study, store: Store, units: Sequence[Unit], resources: Resources) -> Iterator[Outcome]:
    """Evaluate units in order, in this process."""
    if resources.workers not in (None, 1):
        raise UserError(f"the inline executor is one worker, got {resources.workers}: take --executor ray")
    evaluator = Evaluator(study, store)
    yield from map(evaluator.run, units)
