"""The script: its arithmetic on made-up seconds, and a run at microscopic shapes."""

import numpy as np
import pytest

from experiments.benchmarks import scorer_overhead
from robust_atp.backbones.flops import DecoderShape
from robust_atp.benchmark.models import Make, random_decoder
from robust_atp.benchmark.shapes import SHAPES
from robust_atp.benchmark.work import Arm, Work
from robust_atp.pruning import PRUNERS, build_pruner

TINY = SHAPES["tiny"]
QUICK = ("--shape", "tiny", "--dtype", "float32", "--rounds", "1")


def test_shares_are_taken_round_by_round():
    arms = [Arm("half", build_pruner("cls-attention"), 0.5), Arm("inside", build_pruner("fastv"), 0.25)]
    works = [Work(list, (8,) * 6), Work(list, (16, 4, 4, 4, 4, 4))]
    seconds: dict[scorer_overhead.Key, np.ndarray] = {
        ("layer", 16): np.array([1.0, 2.0, 4.0]),
        ("layer", 8): np.array([0.5, 1.0, 2.0]),
        ("layer", 4): np.array([0.25, 0.5, 1.0]),
        ("signal", "cls_attention"): np.array([0.06, 0.12, 0.24]),
        ("choosing", "half"): np.array([0.6, 1.2, 2.4]),
        ("choosing", "inside"): np.array([0.6, 0.0, 7.2]),
    }
    cost = DecoderShape.of(random_decoder(TINY, Make()))
    lines = scorer_overhead.table(arms, works, TINY, seconds, cost).splitlines()
    assert "6 layers × 22 tokens: 12000.0 [9000.0, 18000.0] ms" in lines[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[-2:]]
    half, inside = (100 * cost.flops(n) / cost.flops([22] * 6) for n in ([14] * 6, [22] + [10] * 5))
    assert cells == [
        ["half", "8", "8.0", "1.00 [1.00, 1.00]", "10.00 [10.00, 10.00]", "61.0 [61.0, 61.0]", f"{half:.1f}"],
        ["inside", "16", "6.0", "0.00 [0.00, 0.00]", "10.00 [5.00, 20.00]", "47.5 [42.5, 57.5]", f"{inside:.1f}"],
    ]  # fmt: skip


def test_every_registered_method_has_a_row(capsys):
    scorer_overhead.main([*QUICK, "--keep", "0.55", "--whole-model"])
    shown = capsys.readouterr().out
    rows = [line.split("|")[1].strip() for line in shown.splitlines() if line.startswith("| ")]
    published = [label for label, _, _ in scorer_overhead.PUBLISHED]
    assert rows == ["pruner", *PRUNERS.names(), *published, "pruner", *published]
    assert "1 interleaved rounds" in shown
    assert "nan" not in shown


def test_a_budget_that_a_method_cannot_meet_is_said(capsys):
    scorer_overhead.main([*QUICK, "--keep", "0.1", "--pruner", "fastv", "--pruner", "random"])
    shown = capsys.readouterr().out
    assert "left out: keep 0.1 cannot be reached by pruner 'fastv'" in shown
    assert "| random | 2 |" in shown


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit) as left:
        scorer_overhead.main(["--help"])
    assert left.value.code == 0
    assert "--device cuda --whole-model" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options", [["--keep", "0"], ["--keep", "nan"], ["--rounds", "0"], ["--pruner", "apt"]]
)
def test_bad_options_are_refused(options, capsys):
    with pytest.raises(SystemExit) as left:
        scorer_overhead.main(options)
    assert left.value.code == 2
    assert options[0] in capsys.readouterr().err
