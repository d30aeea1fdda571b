"""Figures as a notebook asks for them."""

import pytest
from matplotlib.axes import Axes

from robust_atp.errors import UserError
from robust_atp.report.analysis import Analysis
from robust_atp.report.plot import narrowed
from robust_atp.sweep.results import Results


def labels(analysis: Analysis, **choices: object) -> list[str]:
    figure = analysis.plot("severity", **choices).figure
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_without_choices_it_is_the_first_population(analysis: Analysis):
    drawn = analysis.plot("excess-drop")
    assert "phantom on phantom, 25 %" in drawn.title
    assert all(isinstance(panel, Axes) for panel in drawn.axes)
    assert [panel.get_title("left") for panel in drawn.axes] == ["gaussian noise", "fog"]


def test_choices_narrow_down_and_the_reference_stays(analysis: Analysis):
    assert "phantom-shortcut on" in analysis.plot("severity", backbone="phantom-shortcut").title
    assert labels(analysis, pruner="atp", keep=0.25)[:2] == ["unpruned", "atp 25 %"]
    assert labels(analysis, pruner=["random", "atp"])[:3] == ["unpruned", "random 25 %", "atp 25 %"]


def test_one_probe_of_several(analysis: Analysis):
    assert analysis.plot("probes", probe="flips").kind == "probe-flips"
    assert analysis.plot("probes", probe="background-gap").kind == "probe-background-gap"


def test_nothing_is_lost_without_choices(analysis: Analysis):
    for name, table in narrowed(analysis, {}).tables().items():
        assert table.equals(analysis.tables()[name])


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"backbone": "phantm"}, "did you mean 'phantom'"),
        ({"keep": 0.3}, "0.25"),
        ({"keeep": 0.25}, "did you mean 'keep'"),
        ({"probe": "flip"}, "did you mean 'flips'"),
    ],
)
def test_names_that_are_not_there_are_refused(analysis: Analysis, choices: dict[str, object], words: str):
    with pytest.raises(UserError, match=words):
        analysis.plot("severity", **choices)


def test_a_figure_that_has_nothing_to_show_says_what_it_needs(analysis: Analysis):
    with pytest.raises(UserError, match="a pruned arm"):
        analysis.plot("forest", pruner="none")
    with pytest.raises(UserError, match="did you mean 'forest'"):
        analysis.plot("forst")


def test_a_notebook_shows_figures_tables_and_studies(analysis: Analysis, small_study: Results):
    drawn = analysis.plot("flips")._repr_html_()
    assert drawn.startswith("<figure><svg")
    assert "<figcaption>" in drawn
    assert "noninferiority" in analysis._repr_html_()
    assert "recorded, 0 failed, 0 left" in small_study._repr_html_()
