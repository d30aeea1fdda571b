"""Whether the tokens on the objects stay."""

from collections.abc import Iterator

import pandas as pd

from robust_atp.query import ARM, CONDITION
from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.severity import severity_curves
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import counts, in_groups


def recall(analysis: Analysis) -> Iterator[Illustration]:
    """Draw the kept share of the object patches over severity."""
    for subject in in_groups(analysis):
        table = _beside_chance(subject.rows(analysis.probes["kept-token-recall"]))
        if (table["severity"] > 0).any():
            yield Illustration(
                kind="recall",
                name=f"recall_{subject.stem}",
                section="stability",
                title=f"Do the tokens on the objects stay? {subject.where}",
                caption="Share of the object patches that are kept. Dotted: what a random set of the same size keeps "
                "on average.",
                basis=f"{counts(table)}; bands: 95 % bootstrap over images, curve by curve, uncorrected",
                figure=severity_curves(
                    table, "object patches kept (%)", reference="floor", reference_label="expected at random"
                ),
            )


def _beside_chance(table: pd.DataFrame) -> pd.DataFrame:
    """Recall with its random expectation beside it; the unpruned model, which keeps everything, is left out."""
    keys = [*ARM, *CONDITION]
    rows = table[table["pruner"] != "none"]
    floor = rows[rows["quantity"] == "floor"].set_index(keys)["value"].rename("floor")
    return rows[rows["quantity"] == "recall"].join(floor, on=keys)


ILLUSTRATOR = Illustrator(
    name="recall",
    section="stability",
    summary="share of the objects' patches among the kept tokens over severity",
    needs="a corruption, a pruned arm and object masks",
    draw=recall,
)
