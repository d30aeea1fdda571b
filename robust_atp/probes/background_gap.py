"""Does the answer lean on the background?"""

import math
from functools import partial

import pandas as pd

from robust_atp.probes.contrast import with_gap
from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import labelled_sums, tabulate
from robust_atp.query import Records


def background_gap(records: Records) -> pd.DataFrame:
    """Compare questions whose background suggests the right answer with those where it suggests a wrong one.

    Accuracy on the ``aligned`` and on the ``conflict`` questions, and the ``gap`` aligned - conflict, in
    [-1, 1]: 0 for a model that does not look at the background.
    """
    sums = labelled_sums("alignment", "aligned", "conflict")
    return tabulate(records, sums, _with_gap)


_with_gap = partial(with_gap, first="aligned", second="conflict")

PROBE = Probe(
    name="background-gap",
    summary="accuracy where the background suggests the right answer minus where it suggests a wrong one",
    needs='questions labelled {"alignment": "aligned" | "conflict"} in the group column',
    run=background_gap,
    question="Does the answer lean on the background?",
    reading="Accuracy on clean images where the background suggests the right answer and where it suggests a wrong "
    "one; at the right the gap in points. A model that ignores the background has no gap.",
    marks=Marks(
        {"aligned": "background suggests the answer", "conflict": "background suggests another"}, note="gap"
    ),
    on_phantom=OnPhantom("gap", measured=(0.0, 1.0, math.inf)),
)
