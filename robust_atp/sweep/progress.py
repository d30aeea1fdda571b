"""One progress bar in the driver; a log line now and then where nobody watches."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator

from tqdm.auto import tqdm

from robust_atp.sweep.outcome import Outcome

log = logging.getLogger(__name__)

_LOG_EVERY = 30.0  # seconds


def reported(
    outcomes: Iterable[Outcome], done: int, total: int, bar: bool | None = None
) -> Iterator[Outcome]:
    """Pass outcomes on while showing how far they are; ``done`` of ``total`` units were on disk before.

    ``bar``: by default a bar on a terminal and in a notebook, else log lines. tqdm's own test would hide
    the bar in notebooks.
    """
    if bar is None:
        bar = sys.stderr.isatty() or "ipykernel" in sys.modules
    return _with_bar(outcomes, done, total) if bar else _with_log(outcomes, done, total)


def _with_bar(outcomes: Iterable[Outcome], done: int, total: int) -> Iterator[Outcome]:
    answers = failed = 0
    with tqdm(total=total, initial=done, unit="unit", smoothing=0.1) as bar:
        for outcome in outcomes:
            answers += outcome.rows
            failed += outcome.reason is not None
            bar.set_postfix(answers=answers, failed=failed, refresh=False)
            bar.update()
            yield outcome


def _with_log(outcomes: Iterable[Outcome], done: int, total: int) -> Iterator[Outcome]:
    answers = failed = 0
    started = last = time.monotonic()
    for settled, outcome in enumerate(outcomes, start=1):
        answers += outcome.rows
        failed += outcome.reason is not None
        now = time.monotonic()
        if settled == 1:
            started = now  # from here on, so that loading the backbones does not count as work per unit
        elif now - last >= _LOG_EVERY or done + settled == total:
            last = now
            left = (now - started) / (settled - 1) * (total - done - settled)
            log.info("%d of %d units, %d failed, about %.0f s left", done + settled, total, failed, left)
        yield outcome
    log.info("%d answers in %.0f s", answers, time.monotonic() - started)
