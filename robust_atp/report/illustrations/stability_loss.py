"""Whether a changed kept set costs accuracy."""

from collections.abc import Iterator

from robust_atp.query import ARM, CONDITION, POPULATION
from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.stability_loss import stability_against_loss
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import counts, in_groups


def stability_and_loss(analysis: Analysis) -> Iterator[Illustration]:
    """Draw the excess drop of each cell over the stability of its kept sets."""
    if analysis.kept_token_stability.empty or analysis.excess_drop.empty:
        return
    stability = analysis.kept_token_stability.rename(columns={"lo": "kappa_lo", "hi": "kappa_hi"})
    stability = stability.drop(columns=["n", "images", "note"])
    cells = analysis.excess_drop.merge(stability, on=[*POPULATION, *ARM, *CONDITION])
    for subject in in_groups(analysis):
        rows = subject.rows(cells).dropna(subset=["value", "kappa"])
        if rows.empty:
            continue
        yield Illustration(
            kind="stability-loss",
            name=f"stability_loss_{subject.stem}",
            section="stability",
            title=f"Does it cost extra where the tokens change? {subject.where}",
            caption="One mark per corruption and severity, larger for higher severities: how much of the clean image's "
            "kept set stays, and what the arm loses beyond the unpruned model. If losses came from keeping the wrong "
            "tokens, marks would rise to the left.",
            basis=f"{counts(rows)}; 95 % intervals over images both ways (bootstrap for stability, clustered t for the "
            "excess drop), uncorrected",
            figure=stability_against_loss(rows),
        )


ILLUSTRATOR = Illustrator(
    name="stability-loss",
    section="stability",
    summary="excess drop against the stability of the kept set, one mark per cell",
    needs="a corruption and an arm that keeps some of its tokens",
    draw=stability_and_loss,
)
