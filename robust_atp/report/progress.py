"""Which table of a report is being computed: a bar on a terminal, else a line now and then."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, Protocol, TypeVar

import pyarrow as pa
from tqdm.auto import tqdm

log = logging.getLogger(__name__)

# A report of a small study is there before anybody would read what it is doing.
_QUIET_SECONDS = 10.0

P = ParamSpec("P")
T = TypeVar("T")


class Step(Protocol):
    """Calls a function, saying its name."""

    def __call__(self, compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``compute(*args, **kwargs)``."""


@contextmanager
def steps(bar: bool | None = None) -> Iterator[Step]:
    """Say on stderr which step is at work. ``bar``: by default on a terminal and in a notebook, else log lines."""
    if bar is None:
        bar = sys.stderr.isatty() or "ipykernel" in sys.modules
    started = time.monotonic()
    with tqdm(unit="table", disable=not bar, leave=False) as shown:

        def step(compute: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
            name = _words(compute)
            shown.set_description(name)
            if not bar and time.monotonic() - started > _QUIET_SECONDS:
                log.info("%4.0f s: %s", time.monotonic() - started, name)
            result = compute(*args, **kwargs)
            pa.default_memory_pool().release_unused()
            shown.update()
            return result

        yield step


def _words(compute: Callable) -> str:
    return compute.__name__.strip("_").replace("_", " ")
