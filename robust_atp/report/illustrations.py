"""Every figure of a report, with the caption that says what it shows and how much stands behind it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from robust_atp.probes.probe import PROBES
from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Arm, Population, arms_of, populations_of, rows_of
from robust_atp.report.figures.dumbbell import dumbbell
from robust_atp.report.figures.frontier import frontier
from robust_atp.report.figures.heatmap import excess_heatmap
from robust_atp.report.figures.severity import severity_curves
from robust_atp.report.figures.style import points

# More curves than these and the two controls cannot be told apart in one panel.
_CURVES_APART = 6


@dataclass(frozen=True)
class Illustration:
    """A figure with its words. ``name`` is its file name without ending; ``section`` where the page puts it."""

    name: str
    section: str
    title: str
    caption: str
    figure: Figure
    photographs: bool = False


def illustrations(analysis: Analysis) -> Iterator[Illustration]:
    """Draw all figures that need no pictures, backbone by backbone, the main budget first."""
    for population in populations_of(analysis.overview):
        for keep in budgets(analysis.overview):
            yield from _at_budget(analysis, population, keep)
        yield from _frontier(analysis, population)
    yield from _probes(analysis)
    yield from _control_images(analysis.accuracy)


def budgets(table: pd.DataFrame) -> list[float]:
    """Keep ratios of the pruned arms, the middle one first: the mildest and the harshest say least."""
    found = sorted({arm.keep for arm in arms_of(table) if arm.pruner != "none"}, reverse=True)
    return sorted(found, key=lambda keep: abs(found.index(keep) - (len(found) - 1) // 2))


def _at(
    table: pd.DataFrame, population: Population, keep: float, methods: Sequence[str] | None = None
) -> pd.DataFrame:
    """Rows of one population about the unpruned model or one budget, of ``methods`` and the controls only."""
    rows = rows_of(table, population)
    rows = rows[(rows["pruner"] == "none") | (rows["keep"] == keep)]
    return rows if methods is None else rows[rows["pruner"].isin(["none", "random", *methods])]


def _at_budget(analysis: Analysis, population: Population, keep: float) -> Iterator[Illustration]:
    where, stem = _place(population, keep)
    groups = _groups(_at(analysis.overview, population, keep))
    for number, methods in enumerate(groups, start=1):
        part = f", {methods[0]} to {methods[-1]}" if len(groups) > 1 else ""
        name = f"{stem}_{number}" if len(groups) > 1 else stem
        yield from _curves(analysis, population, keep, methods, where + part, name)
    excess = _at(analysis.excess_drop, population, keep)
    if len(excess):
        yield Illustration(
            f"excess_{stem}",
            "excess",
            f"Extra points lost under corruption: {where}",
            "Drop of the pruned model from clean to corrupted minus the same drop of the unpruned model, in points. "
            "Bold with a dot: different from 0 at 5 % after step-down maxT over the cells of the arm "
            f"({_counts(excess)}).",
            excess_heatmap(excess),
        )


def _groups(table: pd.DataFrame) -> list[list[str]]:
    """Methods by name, in groups as even as can be of no more than one figure of curves shows apart."""
    methods = sorted(set(table["pruner"]) - {"none", "random"})
    parts = np.array_split(methods, max(math.ceil(len(methods) / _CURVES_APART), 1))
    return [[str(method) for method in part] for part in parts]


def _curves(
    analysis: Analysis, population: Population, keep: float, methods: Sequence[str], where: str, stem: str
) -> Iterator[Illustration]:
    accuracy = _at(analysis.accuracy, population, keep, methods)
    curves = accuracy[(accuracy["severity"] > 0) | (accuracy["intervention"] == "clean")]
    if (curves["severity"] > 0).any():
        blind = accuracy[(accuracy["pruner"] == "none") & (accuracy["intervention"] == "blank")]["value"]
        yield Illustration(
            f"severity_{stem}",
            "curves",
            f"Accuracy as the image degrades: {where}",
            f"Bands are 95 % image-clustered bootstrap intervals of each curve ({_counts(curves)}). All arms answer "
            "the same questions about the same pixels, so differences between curves are known better than the "
            "bands suggest: the next figure has them.",
            severity_curves(
                curves,
                "accuracy (%)",
                floor=None if blind.empty else float(blind.iloc[0]),
                floor_label="unpruned on a blank image",
            ),
        )
    stability = _at(analysis.kept_token_stability, population, keep, methods)
    if len(stability):
        yield Illustration(
            f"stability_{stem}",
            "stability",
            f"Do the same tokens stay? {where}",
            "Cohen's κ between the tokens kept on the clean and on the corrupted image: 1 the same set, 0 chance. "
            "Dotted: κ with the corrupted version of another image, which is what a preference for positions alone "
            f"would give ({_counts(stability)}).",
            severity_curves(
                stability, "κ with the clean set", value="kappa", scale=1.0,
                reference="kappa_other", reference_label="another image",
            ),
        )  # fmt: skip
    recall = analysis.probes["kept-token-recall"]
    recall = _with_floor(_at(recall, population, keep, methods))
    if len(recall):
        yield Illustration(
            f"recall_{stem}",
            "recall",
            f"Do the tokens on the objects stay? {where}",
            "Share of the object patches that are kept. Dotted: what a random set of the same size keeps on average "
            f"({_counts(recall)}).",
            severity_curves(
                recall, "object patches kept (%)", reference="floor", reference_label="expected at random"
            ),
        )


def _frontier(analysis: Analysis, population: Population) -> Iterator[Illustration]:
    where, stem = _place(population)
    overview = rows_of(analysis.overview, population)
    yield Illustration(
        f"frontier_{stem}",
        "frontier",
        f"What computation buys: {where}",
        "Accuracy against floating-point operations of the language model's prefill, text included, with 95 % "
        "image-clustered bootstrap intervals; one panel per method, all with the same axes. Levels are the "
        f"unpruned model, grey lines random pruning ({_counts(overview)}).",
        frontier(overview),
    )


def _probes(analysis: Analysis) -> Iterator[Illustration]:
    for name, table in analysis.probes.items():
        probe = PROBES.get(name)
        if probe.marks is None:
            continue
        drawn = table[(table["intervention"] == "clean") & table["quantity"].isin(probe.marks.quantities)]
        notes = table[(table["intervention"] == "clean") & (table["quantity"] == probe.marks.note)]
        for where, rows in _by_split(drawn):
            beside = notes.merge(rows[["dataset", "split"]].drop_duplicates())
            yield Illustration(
                f"probe_{_slug(name, *where)}",
                "probes",
                f"{probe.question} {' '.join(where)}",
                f"{probe.reading} 95 % intervals over images ({_counts(rows)}).",
                dumbbell(rows, probe.marks.quantities, "%", notes=_notes(beside)),
            )


def _control_images(accuracy: pd.DataFrame) -> Iterator[Illustration]:
    for where, rows in _by_split(accuracy[accuracy["severity"] == 0]):
        kinds = sorted(set(rows["intervention"]), key=lambda name: (name != "clean", name))
        if len(kinds) < 2:
            continue
        yield Illustration(
            f"control_images_{_slug(*where)}",
            "controls",
            f"What is answered without the scene? {' '.join(where)}",
            "Accuracy on the clean image and on control images: a blank one has nothing left, a shuffled one its "
            f"local texture but no arrangement. 95 % bootstrap intervals ({_counts(rows)}).",
            dumbbell(
                rows.assign(quantity=rows["intervention"]),
                {kind: f"{kind} image" for kind in kinds},
                "accuracy (%)",
            ),
        )


def _by_split(table: pd.DataFrame) -> Iterator[tuple[list[str], pd.DataFrame]]:
    """Rows of each data set, and of each of its splits where it has several, with what they are called."""
    for (dataset, split), rows in table.groupby(["dataset", "split"]):
        several = table.loc[table["dataset"] == dataset, "split"].nunique() > 1
        yield [str(dataset), *([str(split)] if several else [])], rows


def _with_floor(recall: pd.DataFrame) -> pd.DataFrame:
    """Recall with its random expectation beside it; the unpruned model, which keeps everything, is left out."""
    keys = ["pruner", "keep", "position_policy", "intervention", "severity"]
    rows = recall[recall["pruner"] != "none"]
    floor = rows[rows["quantity"] == "floor"].set_index(keys)["value"].rename("floor")
    return rows[rows["quantity"] == "recall"].join(floor, on=keys)


def _notes(table: pd.DataFrame) -> dict[tuple[str, Arm], str]:
    """Values in points with their intervals, by backbone and arm."""
    notes = {}
    for population in populations_of(table):
        for arm in arms_of(rows_of(table, population)):
            value, lo, hi = rows_of(table, population, arm)[["value", "lo", "hi"]].iloc[0]
            notes[population.backbone, arm] = f"{points(value, 0)}  [{points(lo, 0)}, {points(hi, 0)}]"
    return notes


def _counts(table: pd.DataFrame) -> str:
    """``n = 200 questions on 50 images each``, or the range where cells differ."""
    return f"n = {_span(table['n'])} questions on {_span(table['images'])} images per estimate"


def _span(counts: pd.Series) -> str:
    lowest, highest = int(counts.min()), int(counts.max())
    return f"{lowest:,}" if lowest == highest else f"{lowest:,}–{highest:,}"


def _place(population: Population, keep: float | None = None) -> tuple[str, str]:
    backbone, dataset, split = population
    if keep is None:
        return f"{backbone} on {dataset}", _slug(backbone, dataset, split)
    share = f"{100 * keep:.3g}"
    return f"{backbone} on {dataset}, {share} % of tokens kept", _slug(
        backbone, dataset, split, f"keep{share}"
    )


def _slug(*parts: str) -> str:
    return "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in part) for part in parts)
