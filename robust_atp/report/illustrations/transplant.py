"""What damaged pixels cost, and what keeping the wrong tokens costs."""

from collections.abc import Iterator

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.dumbbell import dumbbell
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import counts, slug

_EFFECTS = ("selection effect", "pixel effect", "total effect")


def transplant(analysis: Analysis) -> Iterator[Illustration]:
    """Draw the mean effects of each arm, one figure per data set with a block for every backbone."""
    for dataset, rows in analysis.mean_transplant.groupby("dataset"):
        yield Illustration(
            kind="transplant",
            name=f"transplant_{slug(str(dataset))}",
            section="stability",
            title=f"Damaged pixels, or the wrong tokens? {dataset}",
            caption="Points lost, mean over corruptions and severities. Selection effect: on the clean image, for "
            "keeping the places that the arm chose on the corrupted one. Pixel effect: on the corrupted image, at "
            "the places chosen on the clean one. Total effect: nothing transplanted. Random pruning draws its "
            "places anew every time, so its selection effect is chance.",
            basis=f"{counts(rows.rename(columns={'answers': 'n'}))}; 95 % t intervals clustered by image, uncorrected",
            figure=dumbbell(rows, {effect: effect for effect in _EFFECTS}, "points lost"),
        )


ILLUSTRATOR = Illustrator(
    name="transplant",
    section="stability",
    summary="accuracy lost to damaged pixels and to the wrong tokens being kept, arm by arm",
    needs="the experiment transplant",
    draw=transplant,
)
