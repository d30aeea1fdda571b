"""What a probe is, and how one is found."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from robust_atp.query import ARM, CONDITION, POPULATION, Records
from robust_atp.registry import Registry

# Every probe answers in these columns; value, lo and hi are shares unless the quantity says otherwise.
COLUMNS = (*POPULATION, *ARM, *CONDITION, "quantity", "value", "se", "lo", "hi", "n", "images")


@dataclass(frozen=True)
class Probe:
    """A question about spurious cues, asked of finished records.

    ``run`` maps records to a table of ``COLUMNS``, for every arm (unpruned, random and the methods alike).
    Rows without the data named in ``needs`` are left out, so a study without any of it gives an empty table.
    """

    name: str
    summary: str
    needs: str
    run: Callable[[Records], pd.DataFrame]


PROBES: Registry[Probe] = Registry(
    "probe",
    {
        "control-images": "robust_atp.probes.control_images:PROBE",
        "background-gap": "robust_atp.probes.background_gap:PROBE",
        "kept-token-recall": "robust_atp.probes.kept_token_recall:PROBE",
    },
)
