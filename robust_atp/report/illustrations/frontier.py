"""What computation buys."""

from collections.abc import Iterator

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.frontier import frontier
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import counts, populations


def accuracy_for_cost(analysis: Analysis) -> Iterator[Illustration]:
    """Draw accuracy against operations, all budgets together."""
    for subject in populations(analysis):
        overview = subject.rows(analysis.overview)
        yield Illustration(
            kind="frontier",
            name=f"frontier_{subject.stem}",
            section="frontier",
            title=f"What computation buys: {subject.where}",
            caption="Accuracy against floating-point operations of the language model's prefill, text included; one "
            "panel per method, all with the same axes. Levels are the unpruned model, grey lines random pruning.",
            basis=f"{counts(overview)}; 95 % bootstrap intervals over images, uncorrected",
            figure=frontier(overview),
        )


ILLUSTRATOR = Illustrator(
    name="frontier",
    section="frontier",
    summary="accuracy against operations, one panel per method",
    needs="any study",
    draw=accuracy_for_cost,
)
