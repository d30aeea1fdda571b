"""Do the probes tell a model with a planted shortcut from one without: ``phantom-shortcut`` from ``phantom``?"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from robust_atp.errors import UserError
from robust_atp.image_sums import LEVEL
from robust_atp.probes.probe import PROBES, OnPhantom, Probe

BACKBONES = ("phantom", "phantom-shortcut")
COLUMNS = (
    "probe", "quantity", "intervention", "pruner", "phantom", "shortcut", "difference", "lo", "hi", "effect",
    "images", "declared", "separates", "why_not",
)  # fmt: skip


def separation(records: pd.DataFrame) -> pd.DataFrame:
    """Every quantity of every registered probe on the two phantoms, which have answered the same questions.

    ``difference`` is with the shortcut minus without, in an interval that takes the two models for independent: it is
    wider than a paired one where they find the same scenes hard. ``effect`` is the difference over the standard
    deviation between images (se · √images), pooled over the two; infinite where neither varies. ``separates`` says
    whether the interval excludes 0, ``declared`` whether it is the quantity by which the probe wants to be judged;
    that one has a row, of nan, even where the phantom has no data for it. ``UserError`` for a probe that declares none.
    """
    rows = [row for name in PROBES.names() for row in _rows(PROBES.get(name), records)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def declaration(probe: Probe) -> OnPhantom:
    """What ``probe`` declares about the phantoms; ``UserError`` if that is nothing."""
    if probe.on_phantom is None:
        raise UserError(
            f"probe '{probe.name}' does not say what it makes of the phantoms: give its Probe "
            "on_phantom=OnPhantom(quantity), with why_not=… if it need not tell phantom-shortcut from phantom"
        )
    return probe.on_phantom


def _rows(probe: Probe, records: pd.DataFrame) -> list[dict[str, Any]]:
    declared = declaration(probe)
    table = probe.run(declared.view(records) if declared.view else records)
    arm = ~table["pruner"].isin(["none", "random"]) if declared.pruned else table["pruner"] == "none"
    table = table[arm & (table["intervention"] == declared.intervention)]
    without, planted = (table[table["backbone"] == name].set_index("quantity") for name in BACKBONES)
    about = {"probe": probe.name, "intervention": declared.intervention, "why_not": declared.why_not}
    rows = [
        about
        | {"quantity": name, "pruner": without["pruner"][name], "declared": name == declared.quantity}
        | _compare(without.loc[name], planted.loc[name])
        for name in without.index.intersection(planted.index, sort=False)
    ]
    if any(row["declared"] for row in rows):
        return rows
    return [
        *rows,
        about | {"quantity": declared.quantity, "pruner": "none", "declared": True, "separates": False},
    ]


def _compare(without: pd.Series, planted: pd.Series) -> dict[str, Any]:
    difference = planted["value"] - without["value"]
    half = norm.ppf((1 + LEVEL) / 2) * np.hypot(without["se"], planted["se"])
    spread = np.sqrt(np.mean([row["se"] ** 2 * row["images"] for row in (without, planted)]))
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.divide(difference, spread)
    return {
        "phantom": without["value"],
        "shortcut": planted["value"],
        "difference": difference,
        "lo": difference - half,
        "hi": difference + half,
        "effect": effect,
        "images": min(without["images"], planted["images"]),
        "separates": bool(abs(difference) > half),
    }
