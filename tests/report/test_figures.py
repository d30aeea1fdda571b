"""Figures: reproducible, complete, and they leave Matplotlib as they found it."""

import dataclasses

import matplotlib
import numpy as np
import pandas as pd
import pytest

from robust_atp.report.analysis import Analysis
from robust_atp.report.figures.frontier import frontier
from robust_atp.report.figures.heatmap import excess_heatmap
from robust_atp.report.figures.overlay import overlay, read_grids, unpack
from robust_atp.report.figures.severity import severity_curves
from robust_atp.report.figures.style import looks, points, svg
from robust_atp.report.illustrations import illustrations
from robust_atp.report.illustrations.control_images import control_images
from robust_atp.report.illustrations.probes import probes
from robust_atp.report.illustrations.subject import budgets
from robust_atp.report.pictures import Picture


def of_phantom(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["backbone"] == "phantom"]


def test_equal_numbers_are_equal_files(analysis: Analysis):
    table = of_phantom(analysis.excess_drop)
    assert svg(excess_heatmap(table)) == svg(excess_heatmap(table))


def test_settings_of_the_caller_survive(analysis: Analysis):
    before = dict(matplotlib.rcParams)
    svg(frontier(of_phantom(analysis.overview)))
    assert dict(matplotlib.rcParams) == before


def test_curves_are_the_table(analysis: Analysis):
    table = of_phantom(analysis.accuracy)
    table = table[(table["severity"] > 0) | (table["intervention"] == "clean")]
    figure = severity_curves(table, "accuracy (%)")
    noise, fog = figure.axes
    assert [panel.get_title("left") for panel in figure.axes] == ["gaussian noise", "fog"]
    unpruned, _, atp = fog.lines
    assert np.asarray(unpruned.get_ydata()) == pytest.approx([75, 71, 63, 55])
    assert np.asarray(atp.get_ydata()) == pytest.approx([70, 56, 48, 40])
    assert np.asarray(noise.lines[2].get_xdata()) == pytest.approx([0, 1, 3, 5])


def test_heatmap_writes_points_and_marks_what_is_significant(analysis: Analysis):
    figure = excess_heatmap(of_phantom(analysis.excess_drop))
    atp, random = figure.axes[:2]
    assert [text.get_text() for text in atp.texts] == ["0", "0", "0", "+10 •", "+10 •", "+10 •"]
    assert {text.get_text() for text in random.texts} == {"0"}


def test_heatmap_leaves_missing_cells_empty(analysis: Analysis):
    table = of_phantom(analysis.excess_drop)
    partial = table[(table["intervention"] != "fog") | (table["severity"] > 1)]
    atp = excess_heatmap(partial).axes[0]
    assert len(atp.texts) == 5


@pytest.mark.parametrize(("keeps", "first"), [([0.1, 0.25, 0.5], 0.25), ([0.1, 0.25], 0.25), ([0.1], 0.1)])
def test_the_middle_budget_comes_first(keeps: list[float], first: float):
    table = pd.DataFrame({"pruner": "atp", "keep": keeps, "position_policy": "original"})
    assert budgets(table)[0] == first


def test_methods_never_share_the_look_of_the_controls():
    table = looks(["none", "random", *(f"method-{i}" for i in range(8))])
    assert len({look.color for look in table.values()}) == 10


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.042, "+4.2"), (-0.003, "−0.3"), (0.0, "0.0"), (-0.0001, "0.0"), (float("nan"), "–")],
)
def test_points(share: float, text: str):
    assert points(share) == text


@pytest.mark.parametrize(
    ("grid", "area", "shown"),
    [
        ("4x4", "centre", (40, 40, 3)),
        ("4x4", "padded", (60, 60, 3)),
        ("3x5", "whole", (40, 60, 3)),
        ("2x2+4x3", "whole", (40, 60, 3)),
    ],
)
def test_overlay_veils_exactly_the_dropped_patches(grid, area, shown):
    grids = read_grids(grid)
    kept = np.zeros(sum(rows * columns for rows, columns in grids), bool)
    kept[[0, 5, 6]] = True
    row = {
        "pruner": "atp",
        "keep": 0.125,
        "position_policy": "original",
        "intervention": "clean",
        "severity": 0,
    }
    row |= {
        "grid": grid,
        "grid_area": area,
        "kept": np.packbits(kept).tobytes(),
        "question": "how much is it, $5?",
        "answer": "$5",
    }
    rows = pd.DataFrame([row | {"prediction": "$6 or $7", "score": 0.0}])
    pixels = np.full((40, 60, 3), 100, np.uint8)
    figure = overlay({("clean", 0): Picture(pixels, pixels[..., 0] > 0, rows)})
    picture, veil = (image.get_array() for image in figure.axes[0].images)
    assert picture is not None
    assert picture.shape == shown
    assert (np.asarray(picture)[..., 0] == 100).sum() == min(40 * 60, shown[0] * shown[1])
    assert veil is not None
    assert veil.shape[:2] == grids[-1]
    assert ((veil[..., 3] == 0).ravel() == kept[-veil[..., 0].size :]).all()
    svg(figure)  # dollar signs are text, not mathematics


def test_unpack_reads_numpy_packbits():
    mask = np.random.default_rng(0).random(13) < 0.5
    assert (unpack(np.packbits(mask).tobytes(), 13) == mask).all()


def with_many_methods(analysis: Analysis, count: int = 21) -> Analysis:
    """The same study, had ATP run under ``count`` names."""

    def repeated(table: pd.DataFrame) -> pd.DataFrame:
        atp = table[table["pruner"] == "atp"]
        return pd.concat(
            [table[table["pruner"] != "atp"]] + [atp.assign(pruner=f"atp-{i:02}") for i in range(count)],
            ignore_index=True,
        )

    tables = {name: repeated(table) for name, table in vars(analysis).items() if name != "probes"}
    return Analysis(**tables, probes={name: repeated(table) for name, table in analysis.probes.items()})


@pytest.mark.parametrize("count", [1, 21])
def test_the_frontier_has_a_panel_for_every_method(analysis: Analysis, count: int):
    table = of_phantom(with_many_methods(analysis, count).overview)
    figure = frontier(table)
    assert [panel.get_title("left") for panel in figure.axes] == [f"atp-{i:02}" for i in range(count)]
    clean, corrupted = (line for line in figure.axes[-1].lines if line.get_marker() == "o")
    assert np.asarray(clean.get_xdata()) == pytest.approx(
        [25]
    )  # a quarter of the tokens, and of the operations
    assert np.asarray(clean.get_ydata()) == pytest.approx([70])
    assert np.asarray(corrupted.get_ydata()) == pytest.approx([51.5])
    svg(figure)


def test_curves_of_many_methods_are_shared_out_over_figures(analysis: Analysis):
    drawn = [figure for figure in illustrations(with_many_methods(analysis)) if figure.section == "curves"]
    of_first = [figure.figure for figure in drawn if "phantom-shortcut" not in figure.name]
    labels = [[text.get_text() for text in figure.legends[0].get_texts()] for figure in of_first]
    assert all(shown[:2] == ["unpruned", "random 25 %"] for shown in labels)
    assert sorted(label for shown in labels for label in shown if label.startswith("atp")) == [
        f"atp-{i:02} 25 %" for i in range(21)
    ]
    assert max(map(len, labels)) <= 10


def test_a_heatmap_of_many_methods_stays_narrow(analysis: Analysis):
    figure = excess_heatmap(of_phantom(with_many_methods(analysis).excess_drop))
    assert len(figure.axes) == 22 + 1  # and the colour bar
    assert figure.get_figwidth() < 12
    svg(figure)


def test_a_data_set_with_several_splits_has_figures_of_each(analysis: Analysis):
    def twice(table: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([table.assign(dataset="pope", split=split) for split in ("popular", "random")])

    asked = {"yes-bias": twice(analysis.probes["yes-bias"])}
    both = dataclasses.replace(analysis, accuracy=twice(analysis.accuracy), probes=asked)
    drawn = [*probes(both), *control_images(both)]
    assert [figure.name for figure in drawn] == [
        "probe_yes-bias_pope_popular", "probe_yes-bias_pope_random",
        "control_images_pope_popular", "control_images_pope_random",
    ]  # fmt: skip
    assert [figure.name for figure in probes(analysis) if "yes-bias" in figure.name] == [
        "probe_yes-bias_phantom"
    ]
