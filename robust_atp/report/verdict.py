"""The answer to the question, arm by arm, in words that the numbers support."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from robust_atp.query import ARM, POPULATION
from robust_atp.report.analysis import Analysis
from robust_atp.report.arms import Arm, Population, arms_of, populations_of, rows_of
from robust_atp.report.figures.style import points

# More names than this in one sentence are a table.
_NAMED = 8
_ALPHA = 0.05

_FOUND = "This study would find an excess drop of {} points four times out of five."


@dataclass(frozen=True)
class Verdict:
    """What a study says about one arm of one backbone and data set. Shares are in [0, 1]."""

    population: Population
    arm: Arm
    tokens: float  # visual, averaged over the layers of the language model
    clean: pd.Series  # value, lo, hi, n, images
    corrupted: pd.Series
    excess: pd.Series | None  # None for the unpruned model, and where nothing was corrupted

    @property
    def word(self) -> str:
        """``more fragile``, ``more robust`` or ``not detectably different``, by the 95 % interval of X."""
        if self.excess is None or not self.excess["se"] > 0:
            return "reference" if self.arm.pruner == "none" else "not tested"
        if self.excess["lo"] > 0:
            return "more fragile"
        return "more robust" if self.excess["hi"] < 0 else "not detectably different"

    @property
    def is_open(self) -> bool:
        """Whether the study decided nothing about this arm."""
        return self.word == "not detectably different"

    @property
    def remark(self) -> str:
        """What must be known beside the word: the effect that could have been found, or a contradicting scale."""
        if self.excess is None:
            return ""
        if not self.excess["se"] > 0:
            return (
                "every image gives the same difference"
                if self.excess["images"] > 1
                else "one image has no spread"
            )
        if self.is_open:
            return f"detectable: {100 * self.excess['detectable']:.1f} points"
        return "; ".join(filter(None, (self.contradiction, self._uncorrected)))

    @property
    def contradiction(self) -> str:
        """What the share of clean accuracy retained says against the word."""
        if self.excess is None or self.is_open:
            return ""
        gap = self.excess["retention_gap"]
        if self.word == "more robust" and not gap < 0:
            return "but only because it had less to lose: it keeps no larger share of its clean accuracy"
        if self.word == "more fragile" and not gap > 0:
            return "but it keeps as large a share of its clean accuracy"
        return ""

    @property
    def _uncorrected(self) -> str:
        """The interval is the arm's own: of nine endpoints without an effect, one in three studies has one beside 0."""
        if self.excess is None or not self.excess["p_primary"] >= self.excess["alpha"]:
            return ""
        return f"not after correction over all primary endpoints (p = {self.excess['p_primary']:.2g})"


def in_words(verdicts: Sequence[Verdict]) -> str:
    """Say what the methods among ``verdicts`` do under corruption, the significant ones one by one if few."""
    methods = [v for v in verdicts if v.word != "not tested" and not v.arm.is_control]
    decided = [v for v in methods if not v.is_open]
    sentences = _one_by_one(decided) if len(decided) <= _NAMED else _counted(decided, len(methods))
    undecided = [v for v in methods if v.is_open]
    if len(undecided) == 1:
        (only,) = undecided
        sentences.append(
            f"Under corruption, {only.arm.label} is not detectably different from the unpruned model: "
            f"excess drop {_amount(only)}. {_FOUND.format(_span(undecided))}"
        )
    elif undecided:
        sentences.append(
            f"Not detectably different from the unpruned model: {_named(undecided, len(methods))}. "
            f"{_FOUND.format(_span(undecided))}"
        )
    return " ".join(sentences)


def _one_by_one(decided: Sequence[Verdict]) -> list[str]:
    return [
        f"Under corruption, {v.arm.label} is {v.word} than the unpruned model: excess drop {_amount(v)}"
        f"{', ' + v.remark if v.remark else ''}."
        for v in decided
    ]


def _counted(decided: Sequence[Verdict], methods: int) -> list[str]:
    """Of sixty arms without any effect three have an interval beside 0, so many are counted both ways."""
    sentences = []
    for word in ("more fragile", "more robust"):
        found = [v for v in decided if v.word == word]
        sure = [v for v in found if v.excess is not None and v.excess["p_holm"] < _ALPHA]
        on_this_scale_only = sum(bool(v.contradiction) for v in found)
        if found:
            sentences.append(
                f"{word.capitalize()} than the unpruned model under corruption, by the arm's own interval: "
                f"{len(found)} of {methods} arms"
                + (f" ({on_this_scale_only} on this scale only, see the table)" if on_this_scale_only else "")
                + f"; after correction for the number of arms: {_named(sure, methods) or 'none'}."
            )
    return sentences


def _named(verdicts: Sequence[Verdict], methods: int) -> str:
    if len(verdicts) > _NAMED:
        return f"{len(verdicts)} of {methods} arms, listed in the table"
    return ", ".join(v.arm.label for v in verdicts)


def _amount(verdict: Verdict) -> str:
    assert verdict.excess is not None
    value, lo, hi = (points(verdict.excess[column]) for column in ("value", "lo", "hi"))
    return f"{value} points (95 % interval {lo} to {hi})"


def _span(verdicts: Sequence[Verdict]) -> str:
    """Detectable effects in points, from the smallest to the largest."""
    effects = [f"{100 * v.excess['detectable']:.1f}" for v in verdicts if v.excess is not None]
    lowest, highest = min(effects, key=float), max(effects, key=float)
    return lowest if lowest == highest else f"{lowest} to {highest}"


def verdicts(analysis: Analysis) -> list[Verdict]:
    """One verdict per backbone, data set and arm, in the order in which arms are shown."""
    excess = analysis.mean_excess_drop.merge(
        analysis.retention_gap.rename(columns={"value": "retention_gap"}).drop(columns=["lo", "hi"]),
        on=[*POPULATION, *ARM],
        how="left",
    )
    primary = analysis.primary_endpoints
    primary = primary.loc[
        primary["endpoint"] == "mean_excess_drop", [*POPULATION, *ARM, "p_primary", "alpha"]
    ]
    excess = excess.merge(primary, on=[*POPULATION, *ARM], how="left")
    found = []
    for population in populations_of(analysis.overview):
        for arm in arms_of(rows_of(analysis.overview, population)):
            accuracy = rows_of(analysis.overview, population, arm).set_index("condition")
            accuracy = accuracy.reindex(["clean", "corrupted"])
            mine = rows_of(excess, population, arm)
            found.append(
                Verdict(
                    population=population,
                    arm=arm,
                    tokens=float(accuracy["tokens_mean"].mean()),
                    clean=accuracy.iloc[0],
                    corrupted=accuracy.iloc[1],
                    excess=None if mine.empty else mine.iloc[0],
                )
            )
    return found
