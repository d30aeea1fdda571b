"""Accuracy over severity, corruption by corruption."""

from collections.abc import Iterator

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.severity import severity_curves
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import counts, in_groups


def severity(analysis: Analysis) -> Iterator[Illustration]:
    """Draw the accuracy of the unpruned model, of random pruning and of up to six methods."""
    for subject in in_groups(analysis):
        accuracy = subject.rows(analysis.accuracy)
        curves = accuracy[(accuracy["severity"] > 0) | (accuracy["intervention"] == "clean")]
        if not (curves["severity"] > 0).any():
            continue
        blind = accuracy[(accuracy["pruner"] == "none") & (accuracy["intervention"] == "blank")]["value"]
        yield Illustration(
            kind="severity",
            name=f"severity_{subject.stem}",
            section="curves",
            title=f"Accuracy as the image degrades: {subject.where}",
            caption="All arms answer the same questions about the same pixels, so differences between curves are "
            "known better than the bands suggest: the excess drop has them.",
            basis=f"{counts(curves)}; bands: 95 % bootstrap over images, curve by curve, uncorrected",
            figure=severity_curves(
                curves,
                "accuracy (%)",
                floor=None if blind.empty else float(blind.iloc[0]),
                floor_label="unpruned on a blank image",
            ),
        )


ILLUSTRATOR = Illustrator(
    name="severity",
    section="curves",
    summary="accuracy over severity, one panel per corruption",
    needs="a corruption",
    draw=severity,
)
