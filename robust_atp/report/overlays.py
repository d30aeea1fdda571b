"""Kept-token overlays of a study, for the page and for ``robust-atp show``."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from robust_atp.data.example import Dataset
from robust_atp.errors import UserError, unknown
from robust_atp.query import query
from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.overlay import overlay
from robust_atp.report.illustrations.illustration import Illustration
from robust_atp.report.illustrations.subject import budgets, slug
from robust_atp.report.order import by_family, readable
from robust_atp.report.pictures import Picture, pictures

if TYPE_CHECKING:
    from robust_atp.sweep.results import Results

_IMAGES_SHOWN = 2


def overlays(results: "Results", analysis: Analysis) -> Iterator[Illustration]:
    """Show a few images of every backbone and data set, clean beside the corruption that pruning suffers from most.

    The images are the first by the hash of their ids: not chosen by what was answered. ``UserError`` if the
    data set or one of its pictures is not here.
    """
    keep = budgets(analysis.overview)[:1]
    with_patches = _backbones(results)
    for dataset in datasets(results):
        for backbone in [
            name for name in dict.fromkeys(analysis.overview["backbone"]) if name in with_patches
        ]:
            corruption = _most_harmful(analysis.excess_drop, backbone, dataset)
            conditions = [("clean", 0), *corruption]
            for number, image_id in enumerate(_sample(results, dataset), start=1):
                shown = pictures(
                    results, dataset, backbone=backbone, image_id=image_id,
                    conditions=conditions, study_seed=results.study.seed,
                )  # fmt: skip
                yield Illustration(
                    kind="overlay",
                    name=f"overlay_{slug(backbone, dataset.name, str(number))}",
                    section="overlays",
                    title=f"What is kept: {backbone}, image {image_id}",
                    caption="A patch is bare where its token is kept on the clean image and here, veiled where it is "
                    "dropped on both, orange where only the clean image kept it and blue where only this one does; "
                    "objects are outlined. Above each tile the answer and κ with the set kept on the "
                    "clean image. The images were drawn by the hash of their ids, not by what was answered about them"
                    + "".join(
                        f"; {readable(name)} is where the methods lose most extra" for name, _ in corruption
                    )
                    + ".",
                    basis="one question on one image; an example, not an estimate",
                    figure=overlay({condition: _at(picture, keep) for condition, picture in shown.items()}),
                    photographs=True,
                )


def overlay_of(results: "Results", image_id: str, backbone: str) -> Figure:
    """Draw one image for ``robust-atp show``: clean and every corruption at its highest severity, all arms.

    ``UserError`` if the records do not know the image, or if its pixels are not here.
    """
    names = _backbones(results)
    if backbone not in names:
        raise unknown("backbone whose tokens have a place in the image", backbone, names)
    worst = query(
        results,
        "SELECT intervention, max(severity) AS severity FROM records WHERE severity > 0 GROUP BY intervention",
    ).set_index("intervention")["severity"]
    conditions = [("clean", 0), *((name, int(worst[name])) for name in by_family(worst.index))]
    for dataset in datasets(results):
        if image_id in dataset.image_ids():
            shown = pictures(
                results, dataset, backbone=backbone, image_id=image_id,
                conditions=conditions, study_seed=results.study.seed,
            )  # fmt: skip
            return overlay(shown)
    raise UserError(f"image '{image_id}' is in none of the study's data sets")


def datasets(results: "Results") -> list[Dataset]:
    """Load the data sets of a finished study; ``UserError`` naming what is missing."""
    return [config.load() for config in results.study.data]


def _backbones(results: "Results") -> list[str]:
    """Backbones whose visual tokens are patches: a resampler's queries have no place in the image."""
    seen = query(
        results,
        "SELECT DISTINCT backbone FROM records WHERE prunes IS DISTINCT FROM 'queries' ORDER BY backbone",
    )
    return seen["backbone"].tolist()


def _at(picture: Picture, keep: Sequence[float]) -> Picture:
    rows = picture.rows
    return replace(picture, rows=rows[(rows["pruner"] == "none") | rows["keep"].isin(keep)])


def _most_harmful(excess: pd.DataFrame, backbone: str, dataset: Dataset) -> list[tuple[str, int]]:
    """The corruption with the largest excess drop over all methods, at its highest severity."""
    rows = excess[(excess["backbone"] == backbone) & (excess["dataset"] == dataset.name)]
    methods = rows[~rows["pruner"].isin(["none", "random"])]
    if methods.empty:
        return []
    worst = str(methods.groupby("intervention")["value"].mean().idxmax())
    return [(worst, int(methods.loc[methods["intervention"] == worst, "severity"].max()))]


def _sample(results: "Results", dataset: Dataset) -> list[str]:
    ids = query(
        results, "SELECT DISTINCT dataset, split, image_id FROM records ORDER BY md5(image_id), image_id"
    )
    mine = ids[(ids["dataset"] == dataset.name) & (ids["split"] == dataset.split)]
    return mine["image_id"].head(_IMAGES_SHOWN).tolist()
