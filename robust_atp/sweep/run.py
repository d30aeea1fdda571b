"""Run a study, or go on with one: plan, leave out what is on disk, evaluate the rest."""

from pathlib import Path

from robust_atp.sweep.executors import EXECUTORS, Resources
from robust_atp.sweep.ingredients import plan_study
from robust_atp.sweep.progress import reported
from robust_atp.sweep.results import Results
from robust_atp.sweep.store import Store
from robust_atp.sweep.study import Study
from robust_atp.sweep.study_file import load_study


def run(
    study: Study | str | Path,
    out: str | Path,
    *,
    executor: str = "inline",
    workers: int | None = None,
    address: str = "auto",
    gpus: float | None = None,
    bar: bool | None = None,
) -> Results:
    """Run a study into the folder ``out``, or complete what an earlier run of the same study left there.

    ``executor``: ``inline`` works in this process, ``ray`` on a cluster (see ``Resources`` for ``workers``,
    ``address`` and ``gpus``); the records are the same. Units that fail are recorded, listed by ``status()``
    and tried again by the next run. ``UserError`` before any work if study, data or folder are no good.
    """
    evaluate = EXECUTORS.get(executor)
    study = study if isinstance(study, Study) else load_study(study)
    plan = plan_study(study)
    store = Store(out)
    store.prepare(plan)
    done = store.done(plan.units)
    todo = [unit for unit in plan.units if unit.key not in done]
    if todo:
        outcomes = evaluate(study, store, todo, Resources(workers, address, gpus))
        for outcome in reported(outcomes, len(done), len(plan.units), bar):
            if outcome.reason is not None:
                store.record_failure(outcome.unit, outcome.reason, outcome.details)
    return Results(out)
