"""What a probe is, and how one is found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from robust_atp.query import ARM, CONDITION, POPULATION, Records
from robust_atp.registry import Registry

# Every probe answers in these columns; value, lo and hi are shares unless the quantity says otherwise.
COLUMNS = (*POPULATION, *ARM, *CONDITION, "quantity", "value", "se", "lo", "hi", "n", "images")


@dataclass(frozen=True)
class Marks:
    """What of a probe's table is drawn, arm by arm, on clean images: quantities with their words.

    ``note`` is a quantity that stands as a number at the end of each arm's line.
    """

    quantities: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True)
class Probe:
    """A question about spurious cues, asked of finished records.

    ``run`` maps records to a table of ``COLUMNS``, for every arm (unpruned, random and the methods alike).
    Rows without the data named in ``needs`` are left out, so a study without any of it gives an empty table.
    ``question`` and ``reading`` are title and caption of its figure in the report; without ``marks`` the report
    draws it in a way of its own, or not.
    """

    name: str
    summary: str
    needs: str
    run: Callable[[Records], pd.DataFrame]
    question: str
    reading: str
    marks: Marks | None = None


PROBES: Registry[Probe] = Registry(
    "probe",
    {
        "control-images": "robust_atp.probes.control_images:PROBE",
        "background-gap": "robust_atp.probes.background_gap:PROBE",
        "kept-token-recall": "robust_atp.probes.kept_token_recall:PROBE",
        "flips": "robust_atp.probes.flips:PROBE",
        "prior-collapse": "robust_atp.probes.prior_collapse:PROBE",
        "answer-prior": "robust_atp.probes.answer_prior:PROBE",
        "yes-bias": "robust_atp.probes.yes_bias:PROBE",
        "worst-group": "robust_atp.probes.worst_group:PROBE",
        "calibration": "robust_atp.probes.calibration:PROBE",
        "fpvg": "robust_atp.probes.fpvg:PROBE",
        "counterfactual": "robust_atp.probes.counterfactual:PROBE",
    },
)
