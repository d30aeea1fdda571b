"""What a probe is, and how one is found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from robust_atp.query import ARM, CONDITION, POPULATION, Records
from robust_atp.registry import Registry

# Every probe answers in these columns; value, lo and hi are shares unless the quantity says otherwise.
COLUMNS = (*POPULATION, *ARM, *CONDITION, "quantity", "value", "se", "lo", "hi", "n", "images")
# Behind them, where a quantity does not compare with the unpruned model as it is: arm minus unpruned, paired by image.
AGAINST_UNPRUNED = ("minus_unpruned", "minus_unpruned_lo", "minus_unpruned_hi")


@dataclass(frozen=True)
class Marks:
    """What of a probe's table is drawn, arm by arm, on clean images: quantities with their words.

    ``note`` is a quantity that stands as a number at the end of each arm's line.
    """

    quantities: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True)
class OnPhantom:
    """What a probe makes of the two phantoms, of which one was trained on a planted shortcut.

    ``quantity`` tells them apart, or need not for the reason in ``why_not``; of the unpruned model or, with ``pruned``,
    of the method; under ``intervention``. ``measured`` are its value without and with the shortcut and the effect, as
    ``experiments/benchmarks/probe_calibration.py`` finds them on 200 scenes; None where the phantom has no data for it.
    ``view`` gives the phantom's records the keys that the probe reads.
    """

    quantity: str
    measured: tuple[float, float, float] | None = None
    intervention: str = "clean"
    pruned: bool = False
    why_not: str = ""
    view: Callable[[pd.DataFrame], pd.DataFrame] | None = None

    def __str__(self) -> str:
        """One clause: ``visual gain 0.57 on phantom, 0.28 with a shortcut (effect -1.6)``."""
        numbers = ""
        if self.measured is not None:
            without, planted, effect = self.measured
            numbers = f"{self.quantity} {without:.2f} on phantom, {planted:.2f} with a shortcut (effect {effect:+.1f})"
        return ", ".join(filter(None, [numbers, self.why_not]))


@dataclass(frozen=True)
class Probe:
    """A question about spurious cues, asked of finished records.

    ``run`` maps records to a table of ``COLUMNS``, for every arm (unpruned, random and the methods alike).
    Rows without the data named in ``needs`` are left out, so a study without any of it gives an empty table.
    ``question`` and ``reading`` are title and caption of its figure in the report; without ``marks`` the report
    draws it in a way of its own, or not. ``on_phantom`` declares whether the probe finds a shortcut that is known
    to be there; ``robust_atp.probes.separation`` holds it to that.
    """

    name: str
    summary: str
    needs: str
    run: Callable[[Records], pd.DataFrame]
    question: str
    reading: str
    marks: Marks | None = None
    on_phantom: OnPhantom | None = None


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
        "pope-splits": "robust_atp.probes.pope_splits:PROBE",
        "gqa-ood": "robust_atp.probes.gqa_ood:PROBE",
        "gqa-consistency": "robust_atp.probes.gqa_consistency:PROBE",
        "pairs": "robust_atp.probes.pairs:PROBE",
        "chair": "robust_atp.probes.chair:PROBE",
        "worst-group": "robust_atp.probes.worst_group:PROBE",
        "calibration": "robust_atp.probes.calibration:PROBE",
        "fpvg": "robust_atp.probes.fpvg:PROBE",
        "counterfactual": "robust_atp.probes.counterfactual:PROBE",
    },
)
