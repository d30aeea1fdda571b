"""The excess drop of every cell at a glance."""

from collections.abc import Iterator

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.heatmap import excess_heatmap
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import at_each_budget, counts


def heatmap(analysis: Analysis) -> Iterator[Illustration]:
    """Draw the excess drop of all methods of one budget."""
    for subject in at_each_budget(analysis):
        excess = subject.rows(analysis.excess_drop)
        if excess["value"].notna().any():
            yield Illustration(
                kind="heatmap",
                name=f"excess_{subject.stem}",
                section="excess",
                title=f"Extra points lost under corruption: {subject.where}",
                caption="Drop of the pruned model from clean to corrupted minus the same drop of the unpruned model, "
                "in points. Bold with a dot: different from 0 at 5 % after correction.",
                basis=f"{counts(excess)}; step-down maxT over the cells of an arm, by sign flips of whole images",
                figure=excess_heatmap(excess),
            )


ILLUSTRATOR = Illustrator(
    name="heatmap",
    section="excess",
    summary="excess drop in points, corruption × severity or × arm",
    needs="a corruption and a pruned arm",
    draw=heatmap,
)
