"""Whether answers change where the kept tokens change."""

from collections.abc import Iterator

import pandas as pd

from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Arm, arms_of, populations_of, rows_of
from robust_atp.report.figures.dumbbell import dumbbell
from robust_atp.report.figures.style import points
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import at_budgets_drawn, counts

_AUCS = {"auc": "the arm's own answers flip", "placebo": "the unpruned model's answers flip"}


def coupling(analysis: Analysis) -> Iterator[Illustration]:
    """Draw the AUC of token change for flips beside its placebo, arm by arm."""
    for subject in at_budgets_drawn(analysis):
        rows = subject.rows(analysis.coupling)
        # Where all token sets change alike the AUC is ½ in every replicate.
        rows = rows[rows["difference"].notna() & (rows["auc_lo"] != rows["auc_hi"])]
        if len(rows):
            yield Illustration(
                kind="coupling",
                name=f"coupling_{subject.stem}",
                section="stability",
                title=f"Do answers flip where the tokens change? {subject.where}",
                caption="How well the change of the kept tokens (1 − κ) tells answers that flip from the others, "
                "within each corruption and severity; 50 is chance. Open: the same change against flips of the "
                "unpruned model, which kept everything: what both share is damage to the image. Right: difference.",
                basis=f"{counts(rows)}; 95 % bootstrap intervals over images, uncorrected",
                figure=dumbbell(_long(rows), _AUCS, "AUC (%)", notes=_differences(rows)),
            )


def _long(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per arm and AUC, with its interval in ``lo`` and ``hi``."""
    named = [
        rows.assign(quantity=name, value=rows[name], lo=rows[f"{name}_lo"], hi=rows[f"{name}_hi"])
        for name in _AUCS
    ]
    return pd.concat(named, ignore_index=True)


def _differences(table: pd.DataFrame) -> dict[tuple[str, Arm], str]:
    """Differences in points with their intervals, by backbone and arm."""
    words = {}
    for population in populations_of(table):
        for arm in arms_of(rows_of(table, population)):
            row = rows_of(table, population, arm).iloc[0]
            value, lo, hi = (points(row[f"difference{end}"], 0) for end in ("", "_lo", "_hi"))
            words[population.backbone, arm] = f"{value}  [{lo}, {hi}]"
    return words


ILLUSTRATOR = Illustrator(
    name="coupling",
    section="stability",
    summary="AUC of token change for flipped answers, beside the unpruned model's flips",
    needs="a corruption and an arm whose tokens follow the image",
    draw=coupling,
)
