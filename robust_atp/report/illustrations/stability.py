"""Whether the same tokens stay when the image is corrupted."""

from collections.abc import Iterator

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.severity import severity_curves
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import counts, in_groups


def stability(analysis: Analysis) -> Iterator[Illustration]:
    """Draw κ over severity."""
    for subject in in_groups(analysis):
        table = subject.rows(analysis.kept_token_stability)
        if table["kappa"].notna().any():
            yield Illustration(
                kind="stability",
                name=f"stability_{subject.stem}",
                section="stability",
                title=f"Do the same tokens stay? {subject.where}",
                caption="Cohen's κ between the tokens kept on the clean and on the corrupted image: 1 the same set, 0 "
                "chance. Dotted: κ with the corrupted version of another image, which is what a preference for "
                "positions alone would give.",
                basis=f"{counts(table)}; bands: 95 % bootstrap over images, curve by curve, uncorrected",
                figure=severity_curves(
                    table, "κ with the clean set", value="kappa", scale=1.0,
                    reference="kappa_other", reference_label="another image",
                ),
            )  # fmt: skip


ILLUSTRATOR = Illustrator(
    name="stability",
    section="stability",
    summary="agreement of kept tokens with the clean image's over severity",
    needs="a corruption and an arm that keeps some of its tokens",
    draw=stability,
)
