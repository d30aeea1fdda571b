"""Tables for papers."""

from collections.abc import Sequence

from robust_atp.report.figures.style import points
from robust_atp.report.verdict import Verdict

_SPECIAL = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
)


def latex_table(verdicts: Sequence[Verdict], result_id: str) -> str:
    """The verdict table as a LaTeX ``tabular`` for booktabs, one block per backbone and data set.

    Accuracies in per cent, excess drop in points with its 95 % interval. The result's identifier stands in a comment
    and belongs into the caption.
    """
    lines = [
        f"% result {result_id}; needs \\usepackage{{booktabs}}",
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r"arm & tokens & clean & corrupted & excess drop (95\,\% interval) \\",
    ]
    for population in dict.fromkeys(verdict.population for verdict in verdicts):
        heading = escaped(f"{population.backbone} on {population.dataset}")
        lines += [r"\midrule", rf"\multicolumn{{5}}{{l}}{{\emph{{{heading}}}}} \\"]
        lines += [_row(verdict) for verdict in verdicts if verdict.population == population]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def escaped(text: str) -> str:
    """Escape what LaTeX would take for commands."""
    return text.translate(_SPECIAL)


def _row(verdict: Verdict) -> str:
    cells = [
        escaped(verdict.arm.label),
        f"{verdict.tokens:.0f}",
        *(f"{100 * row['value']:.1f}" for row in (verdict.clean, verdict.corrupted)),
        "--" if verdict.excess is None else _with_interval(verdict),
    ]
    return " & ".join(cells) + r" \\"


def _with_interval(verdict: Verdict) -> str:
    assert verdict.excess is not None
    value, lo, hi = (f"${points(verdict.excess[name]).replace('−', '-')}$" for name in ("value", "lo", "hi"))
    return f"{value} [{lo}, {hi}]"
