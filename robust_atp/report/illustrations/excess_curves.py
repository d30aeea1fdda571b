"""The excess drop over severity."""

from collections.abc import Iterator

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.excess_curves import excess_curves
from robust_atp.report.figures.style import amount
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import counts, in_groups, margin_of


def excess_over_severity(analysis: Analysis) -> Iterator[Illustration]:
    """Draw the excess drop of random pruning and of up to six methods."""
    margin = margin_of(analysis)
    for subject in in_groups(analysis):
        excess = subject.rows(analysis.excess_drop)
        if excess["value"].notna().any():
            yield Illustration(
                kind="excess-drop",
                name=f"excess_curves_{subject.stem}",
                section="excess",
                title=f"What pruning costs extra as the image degrades: {subject.where}",
                caption="Drop of the pruned model from clean to corrupted minus the same drop of the unpruned model, "
                "question by question, in points; 0 on clean images by definition. A curve whose band stays in the "
                f"shaded region loses less than {amount(margin)} extra at every severity; one whose band "
                "leaves 0 upwards is more fragile.",
                basis=f"{counts(excess)}; bands: 95 %, simultaneous over the severities of a corruption (sup-t), "
                "clustered by image",
                figure=excess_curves(excess, margin),
            )


ILLUSTRATOR = Illustrator(
    name="excess-drop",
    section="excess",
    summary="extra points lost over severity with simultaneous bands, one panel per corruption",
    needs="a corruption and a pruned arm",
    draw=excess_over_severity,
)
