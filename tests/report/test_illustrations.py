"""Every registered illustration, on a whole study and on those that lack something."""

import re
from collections.abc import Callable
from functools import cache
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from synthetic_study import Truth, synthetic_records

from robust_atp.report.analysis import Analysis, analyse
from robust_atp.report.figures.style import svg
from robust_atp.report.illustrations import ILLUSTRATORS, Illustration, illustrations
from robust_atp.report.illustrations.subject import at_each_budget, in_groups

# Inches: a wider figure is scaled down on the page until nobody reads it.
WIDEST = 12.5


# What needs an experiment that the synthetic study does not have.
NOT_DRAWN = {"transplant"}


def records() -> pa.Table:
    return synthetic_records(Truth(half_gap={"phantom": 0.1}), images=4, severities=(1, 5))


@cache
def whole() -> Analysis:
    return analyse(records())


def where(keep: Callable[[pa.Table], pa.Array]) -> Analysis:
    found = records()
    return analyse(found.filter(keep(found)))


def without_masks() -> Analysis:
    found = records()
    column = found.schema.get_field_index("object_patches")
    return analyse(found.set_column(column, "object_patches", pa.nulls(len(found), pa.binary())))


def mapped(analysis: Analysis, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Analysis:
    tables = {name: change(table) for name, table in vars(analysis).items() if name != "probes"}
    return Analysis(**tables, probes={name: change(table) for name, table in analysis.probes.items()})


def of_many_arms(table: pd.DataFrame) -> pd.DataFrame:
    """ATP under 25 names at 3 budgets, and random at each: 79 arms with the unpruned model."""
    if "pruner" not in table:
        return table
    whole, random, atp = (table[table["pruner"] == name] for name in ("none", "random", "atp"))
    copies = [random.assign(keep=keep) for keep in (0.5, 0.35, 0.28)]
    copies += [
        atp.assign(pruner=f"method-{i:02}(alpha=0.5)", keep=keep)
        for i in range(25)
        for keep in (0.5, 0.35, 0.28)
    ]
    return pd.concat([whole, *copies], ignore_index=True)


def without_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Estimates that could not be made: one cell in two."""
    numbers = [name for name in table.select_dtypes("float") if name != "keep"]
    holes = table.copy()
    holes.loc[holes.index[::2], numbers] = np.nan
    return holes


def of_others(table: pd.DataFrame) -> pd.DataFrame:
    """Names that a page or a file name must not take as they are."""
    names = {"backbone": "<script>alert('$x$')</script>", "dataset": "../\u202ea_" + "w" * 60}
    return table.assign(**{column: name for column, name in names.items() if column in table})


STUDIES: dict[str, Callable[[], Analysis]] = {
    "whole": whole,
    "unpruned only": lambda: where(lambda r: pc.equal(r["pruner"], "none")),
    "random only": lambda: where(lambda r: pc.not_equal(r["pruner"], "atp")),
    "no random pruning": lambda: where(lambda r: pc.not_equal(r["pruner"], "random")),
    "one corruption": lambda: where(lambda r: pc.not_equal(r["intervention"], "fog")),
    "one cell": lambda: where(
        lambda r: pc.or_(pc.equal(r["intervention"], "clean"), pc.equal(r["unit"], "phantom-fog-5"))
    ),
    "no corruption": lambda: where(lambda r: pc.equal(r["severity"], 0)),
    "no masks": without_masks,
    "one image": lambda: where(lambda r: pc.equal(r["image_id"], "0")),
    "missing cells": lambda: mapped(whole(), without_numbers),
    "79 arms": lambda: mapped(whole(), of_many_arms),
    "names of others": lambda: mapped(whole(), of_others),
}


Drawn = dict[str, list[Illustration]]


@pytest.fixture(scope="module", params=STUDIES)
def drawn(request: pytest.FixtureRequest) -> Drawn:
    """What is drawn of a study, by the name of the illustrator: the first of each kind, drawing takes time."""
    analysis = STUDIES[request.param]()
    found = {name: list(islice(ILLUSTRATORS.get(name).draw(analysis), 1)) for name in ILLUSTRATORS.names()}
    if request.param == "whole":
        assert {name for name, drawings in found.items() if not drawings} == NOT_DRAWN
    return found


@pytest.fixture(params=ILLUSTRATORS.names())
def of_a_kind(request: pytest.FixtureRequest, drawn: Drawn) -> list[Illustration]:
    return drawn[request.param]


def test_it_says_what_it_shows_and_what_stands_behind_it(of_a_kind: list[Illustration]):
    for illustration in of_a_kind:
        assert len(illustration.title) > 15
        assert illustration.caption.endswith(".")
        assert re.search(r"n = [\d,–]+ \w+ on [\d,–]+ images", illustration.basis)
        assert any(word in illustration.basis for word in ("interval", "bands", "maxT"))
        assert re.fullmatch(r"[\w.-]{1,200}", illustration.name)


def test_it_can_be_drawn_and_fits_a_page(of_a_kind: list[Illustration]):
    for illustration in of_a_kind[:1]:
        vector = svg(illustration.figure, illustration.basis)
        assert b"<script" not in vector
        assert not re.search(rb'(?:href|src)="(?!#|data:)', vector)
        assert illustration.figure.get_figwidth() <= WIDEST
        assert illustration.axes


def test_every_figure_has_a_file_of_its_own(analysis: Analysis):
    names = [illustration.name for illustration in illustrations(analysis)]
    assert len(names) > 20  # two backbones
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", sorted(set(ILLUSTRATORS.names()) - NOT_DRAWN))
def test_the_same_numbers_are_the_same_bytes(name: str):
    once, again = (next(ILLUSTRATORS.get(name).draw(whole())) for _ in range(2))
    assert svg(once.figure, once.basis) == svg(again.figure, again.basis)


def test_curves_of_a_study_with_very_many_arms_are_those_of_the_main_budget():
    analysis = STUDIES["79 arms"]()
    assert [subject.keep for subject in at_each_budget(analysis)] == [0.35, 0.5, 0.28]
    groups = list(in_groups(analysis))
    assert [subject.keep for subject in groups] == [0.35] * 5
    shown = [method for subject in groups for method in subject.methods or ()]
    assert shown == [f"method-{i:02}(alpha=0.5)" for i in range(25)]


def test_each_kind_says_what_it_needs():
    for name in ILLUSTRATORS.names():
        illustrator = ILLUSTRATORS.get(name)
        assert illustrator.name == name
        assert illustrator.summary
        assert illustrator.needs
