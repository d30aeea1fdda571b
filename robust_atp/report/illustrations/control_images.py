"""What is answered without the scene."""

from collections.abc import Iterator

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.dumbbell import dumbbell
from robust_atp.report.illustrations.illustration import Illustration, Illustrator
from robust_atp.report.illustrations.subject import at_main_budget_if_many, by_split, counts, slug


def control_images(analysis: Analysis) -> Iterator[Illustration]:
    """Draw accuracy on clean and on control images, one figure per split."""
    clean_or_control = at_main_budget_if_many(analysis.accuracy[analysis.accuracy["severity"] == 0])
    for where, rows in by_split(clean_or_control):
        kinds = sorted(set(rows["intervention"]), key=lambda name: (name != "clean", name))
        if len(kinds) < 2:
            continue
        yield Illustration(
            kind="control-images",
            name=f"control_images_{slug(*where)}",
            section="probes",
            title=f"What is answered without the scene? {' '.join(where)}",
            caption="Accuracy on the clean image and on control images: a blank one has nothing left, a shuffled one "
            "its local texture but no arrangement.",
            basis=f"{counts(rows)}; 95 % bootstrap intervals over images, uncorrected",
            figure=dumbbell(
                rows.assign(quantity=rows["intervention"]),
                {kind: f"{kind} image" for kind in kinds},
                "accuracy (%)",
            ),
        )


ILLUSTRATOR = Illustrator(
    name="control-images",
    section="probes",
    summary="accuracy on clean and on control images, arm by arm",
    needs="control images",
    draw=control_images,
)
