"""In how many cells an arm loses how much."""

from collections.abc import Iterator

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.profile import performance_profile
from robust_atp.report.figures.style import amount
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import counts, in_groups, margin_of


def profile(analysis: Analysis) -> Iterator[Illustration]:
    """Draw the distribution of the excess drop over cells, method by method."""
    margin = margin_of(analysis)
    for subject in in_groups(analysis):
        excess = subject.rows(analysis.excess_drop)
        excess = excess[excess["value"].notna()]
        cells = len(excess[["intervention", "severity"]].drop_duplicates())
        if cells > 1:
            yield Illustration(
                kind="profile",
                name=f"profile_{subject.stem}",
                section="excess",
                title=f"In how many cells is how much lost? {subject.where}",
                caption="Share of the cells, corruption by severity, in which an arm loses at most so many extra "
                f"points. Further to the left is better; at the dashed line {amount(margin)} is lost extra.",
                basis=f"{counts(excess)}, {cells} cells; estimates without intervals, which the curves over severity "
                "have",
                figure=performance_profile(excess, margin),
            )


ILLUSTRATOR = Illustrator(
    name="profile",
    section="excess",
    summary="share of cells in which at most so much is lost extra",
    needs="two cells of corruption and severity, and a pruned arm",
    draw=profile,
)
