"""Every figure of a report. A new one is a file beside this and a line in the table below."""

from collections.abc import Iterator

from robust_atp.registry import Registry
from robust_atp.report.analysis import Analysis
from robust_atp.report.illustrations.illustration import Illustration, Illustrator

__all__ = ["ILLUSTRATORS", "Illustration", "Illustrator", "illustrations"]

ILLUSTRATORS: Registry[Illustrator] = Registry(
    "figure",
    {
        "severity": "robust_atp.report.illustrations.severity:ILLUSTRATOR",
        "forest": "robust_atp.report.illustrations.forest:ILLUSTRATOR",
        "flips": "robust_atp.report.illustrations.flips:ILLUSTRATOR",
        "excess-drop": "robust_atp.report.illustrations.excess_curves:ILLUSTRATOR",
        "heatmap": "robust_atp.report.illustrations.heatmap:ILLUSTRATOR",
        "profile": "robust_atp.report.illustrations.profile:ILLUSTRATOR",
        "frontier": "robust_atp.report.illustrations.frontier:ILLUSTRATOR",
        "stability": "robust_atp.report.illustrations.stability:ILLUSTRATOR",
        "stability-loss": "robust_atp.report.illustrations.stability_loss:ILLUSTRATOR",
        "recall": "robust_atp.report.illustrations.recall:ILLUSTRATOR",
        "coupling": "robust_atp.report.illustrations.coupling:ILLUSTRATOR",
        "transplant": "robust_atp.report.illustrations.transplant:ILLUSTRATOR",
        "probes": "robust_atp.report.illustrations.probes:ILLUSTRATOR",
        "control-images": "robust_atp.report.illustrations.control_images:ILLUSTRATOR",
    },
)


def illustrations(analysis: Analysis) -> Iterator[Illustration]:
    """Draw all figures that need no pictures, kind by kind, each with the main budget first."""
    for name in ILLUSTRATORS.names():
        yield from ILLUSTRATORS.get(name).draw(analysis)
