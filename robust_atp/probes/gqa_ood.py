"""Are rare answers given up for frequent ones?"""

import math

import numpy as np
import pandas as pd

from robust_atp.probes.contrast import both
from robust_atp.probes.phantom_views import with_frequency
from robust_atp.probes.probe import Marks, OnPhantom, Probe
from robust_atp.probes.quantities import Quantities, labelled_sums, ratio, tabulate
from robust_atp.query import Records


def gqa_ood(records: Records) -> pd.DataFrame:
    """Accuracy where the answer is frequent among questions of its group (``head``) and where it is rare (``tail``).

    ``delta`` = (head - tail) / tail says how much is lost from the one to the other: 0 for a model that does not
    care, large for one that knows the usual answers. Undefined, and left out, if nothing is right in the tail; its
    interval is open (nan) where that happens in a replicate.

    Kervadec et al., Roses Are Red, Violets Are Blue... but Should VQA Expect Them To?, CVPR 2021.
    """
    sums = labelled_sums("frequency", "head", "tail")
    return tabulate(records, sums, _with_delta)


def _with_delta(quantities: Quantities) -> Quantities:
    return quantities.derive("delta", _delta, of=("head", "tail"), size=both)


def _delta(mean: np.ndarray) -> np.ndarray:
    head, tail = np.moveaxis(mean, -1, 0)
    return ratio(head - tail, tail)


PROBE = Probe(
    name="gqa-ood",
    summary="accuracy where the answer is frequent (head) and rare (tail), and delta = (head - tail) / tail",
    needs='questions labelled {"frequency": "head" | "tail"} in the group column (GQA-OOD)',
    run=gqa_ood,
    question="Are rare answers given up for frequent ones?",
    reading="Accuracy on clean images where the answer is frequent among questions of its kind and where it is rare; "
    "at the right delta = (head - tail) / tail in percent.",
    marks=Marks({"head": "frequent answer", "tail": "rare answer"}, note="delta"),
    on_phantom=OnPhantom("tail", measured=(1.0, 0.0, -math.inf), view=with_frequency),
)
