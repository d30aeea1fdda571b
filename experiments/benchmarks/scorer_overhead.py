"""What choosing tokens costs, and what pruning saves, in prefill time at the shapes of LLaVA-1.5-7B.

    python experiments/benchmarks/scorer_overhead.py
    python experiments/benchmarks/scorer_overhead.py --keep 0.35 --pruner fastv --pruner atp --rounds 5
    python experiments/benchmarks/scorer_overhead.py --device cuda --whole-model

Every method runs its own code on one prompt, an image of 576 tokens and 40 tokens of text, all numbers random. One
decoder layer of the true size is timed at each number of tokens that a schedule has, and a prefill is composed of its
32 layers. With --whole-model 32 layers with weights of their own also run one after the other, for three methods at
their published operating points. Tasks run in turn and ratios are taken within a round; shown are the median and, in
brackets, the quartiles over rounds.
"""

import argparse
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from robust_atp.backbones.flops import DecoderShape
from robust_atp.benchmark.models import Make, random_decoder
from robust_atp.benchmark.scene import Scene, kind_of, random_scene
from robust_atp.benchmark.shapes import SHAPES, Shape
from robust_atp.benchmark.timing import Clock, Spread, Task, clock_of, interleaved
from robust_atp.benchmark.untrained import Outline, ready
from robust_atp.benchmark.work import Arm, Work, one_layer, whole_prefill, work_of
from robust_atp.errors import UserError
from robust_atp.pruning import PRUNERS, build_pruner
from robust_atp.pruning.matching import nominal_keep
from robust_atp.sweep.evaluator import threads

# Operating points of the papers, as nominal budgets of the methods.
PUBLISHED = (
    ("ATP at 60 %", "atp", 0.6),
    ("AdaptInfer 64", "adaptinfer", 64 / 576),
    ("TransPrune-High", "transprune", 0.41015625),
)
# ("layer", visual tokens), ("signal", kind), ("choosing", arm) or ("whole", arm); and its seconds in every round.
Key: TypeAlias = tuple[str, int | str]
Seconds: TypeAlias = Mapping[Key, np.ndarray]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print Markdown tables."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not 0 < given.keep <= 1 or given.rounds < 1:
        parser.error("--keep must be in (0, 1] and --rounds at least 1")
    shape, make = SHAPES[given.shape], Make(getattr(torch, given.dtype), given.device, given.seed)
    clock = clock_of(given.device)
    with threads(1), torch.inference_mode():
        decoder = random_decoder(shape, make)
        cost = DecoderShape.of(decoder)
        arms, left_out = matched(given.pruner or PRUNERS.names(), given.keep, shape, cost, given.seed)
        published = [Arm(label, build_pruner(name), keep) for label, name, keep in PUBLISHED]
        arms += published
        scene = random_scene(shape, frozenset[str]().union(*(arm.method.needs for arm in arms)), make)
        works = [work_of(arm, scene, decoder) for arm in arms]
        seconds = interleaved(tasks(arms, works, scene, decoder), given.rounds, clock, given.seed, _bar)
        print(_conditions(given))
        print(table(arms, works, shape, seconds, cost), *left_out, sep="\n")
        if given.whole_model:
            whole = random_decoder(shape, make, tied=False)
            print(whole_table(published, scene, whole, given.rounds, clock))


def matched(
    names: Sequence[str], keep: float, shape: Shape, cost: DecoderShape, seed: int
) -> tuple[list[Arm], list[str]]:
    """Arms at ``keep`` of the visual tokens averaged over layers, and why some methods cannot have one."""
    arms, left_out = [], []
    for name in names:
        try:
            method = ready(name, Outline(cost, shape.tower), seed)
            arms.append(Arm(name, method, nominal_keep(method, keep, "mean_tokens", shape.total, cost)))
        except UserError as error:
            left_out.append(f"left out: {error}")
    return arms, left_out


def tasks(
    arms: Sequence[Arm], works: Sequence[Work], scene: Scene, decoder: PreTrainedModel
) -> dict[Key, Task]:
    """Everything to be timed, each thing once however many arms share it."""
    counts = {scene.shape.total}.union(*(work.per_layer for work in works))
    found: dict[Key, Task] = {("layer", count): one_layer(count, scene, decoder) for count in sorted(counts)}
    for arm, work in zip(arms, works, strict=True):
        found |= {("signal", kind): scene.signals[kind] for kind in signals_of(arm)}
        found["choosing", arm.label] = work.choosing
    return found


def signals_of(arm: Arm) -> list[str]:
    """Kinds of the signals that an arm needs, as often as it needs them."""
    return [kind_of(name) for name in sorted(arm.method.needs)] + ["question"] * arm.method.needs_text


def table(
    arms: Sequence[Arm], works: Sequence[Work], shape: Shape, seconds: Seconds, cost: DecoderShape
) -> str:
    """One row per arm; all shares are of the unpruned prefill of the same round."""
    text, total, layers = shape.text, shape.total, shape.layers

    def prefill(counts: Sequence[int]) -> np.ndarray:
        return np.sum([seconds["layer", count] for count in counts], axis=0)

    unpruned, operations = prefill([total] * layers), cost.flops([text + total] * layers)
    lines = [
        f"Unpruned prefill, {layers} layers × {text + total} tokens: {Spread.of(unpruned).written(1e3)} ms\n",
        "| pruner | tokens entering | layer mean | signals % | choosing % | prefill time % | prefill FLOPs % |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, work in zip(arms, works, strict=True):
        counts = work.per_layer
        signals = sum((seconds["signal", kind] for kind in signals_of(arm)), np.zeros_like(unpruned))
        choosing = seconds["choosing", arm.label]
        spent = signals + choosing + prefill(counts)
        cells = [
            arm.label,
            f"{counts[0]}",
            f"{np.mean(counts):.1f}",
            Spread.of(signals / unpruned).written(100, 2),
            Spread.of(choosing / unpruned).written(100, 2),
            Spread.of(spent / unpruned).written(100),
            f"{100 * cost.flops([text + count for count in counts]) / operations:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def whole_table(
    arms: Sequence[Arm], scene: Scene, decoder: PreTrainedModel, rounds: int, clock: Clock
) -> str:
    """The whole decoder with and without pruning, in milliseconds; signals are at hand, choosing is included."""
    unpruned = Arm("unpruned", build_pruner("none"), 1.0)
    to_time: dict[Key, Task] = {
        ("whole", arm.label): whole_prefill(arm, scene, decoder) for arm in (unpruned, *arms)
    }
    seconds = interleaved(to_time, rounds, clock, watched=_bar)
    before = seconds["whole", unpruned.label]
    lines = ["\nThe whole decoder\n", "| pruner | ms before | ms after | time % |", "|---|---|---|---|"]
    for arm in arms:
        after = seconds["whole", arm.label]
        figures = (Spread.of(before).written(1e3), Spread.of(after).written(1e3))
        lines.append(f"| {arm.label} | {' | '.join(figures)} | {Spread.of(after / before).written(100)} |")
    return "\n".join(lines)


def _conditions(given: argparse.Namespace) -> str:
    on_cpu = torch.device(given.device).type == "cpu"
    device = (
        f"one {platform.machine()} thread ({torch.backends.cpu.get_cpu_capability()})"
        if on_cpu
        else torch.cuda.get_device_name(given.device)
    )
    clock = "processor time" if on_cpu else "time on the wall"
    return (
        f"{given.shape}, {given.dtype}, {device}, {clock}, PyTorch {torch.__version__}, median [quartiles] of "
        f"{given.rounds} interleaved rounds, seed {given.seed}. Prefills are composed of single layers. All numbers "
        f"are random, and so are the weights of trained pruners. Unless named after a paper's operating point, "
        f"pruners stand at {given.keep:g} of the visual tokens averaged over layers; those that choose their number "
        f"themselves stand where random numbers put them. What pruning before or inside the vision tower saves "
        f"there is not counted.\n"
    )


def _bar(order: list[Key]) -> Iterable[Key]:
    return tqdm(order, unit="task", disable=not sys.stderr.isatty())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES, default="llava-1.5-7b")
    parser.add_argument(
        "--keep",
        type=float,
        default=0.28,
        help="visual tokens averaged over layers, as a share (default: 0.28)",
    )
    parser.add_argument(
        "--pruner",
        action="append",
        choices=PRUNERS.names(),
        metavar="NAME",
        help="only these (default: all registered)",
    )
    parser.add_argument("--rounds", type=int, default=11, help="rounds that count (default: 11)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--dtype", choices=("bfloat16", "float16", "float32"), default="bfloat16",
        help="default: bfloat16; float32 on a CPU without matrix units for it",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--whole-model",
        action="store_true",
        help="also run all layers: 13 GB of weights in 16 bits, for a GPU",
    )
    return parser


if __name__ == "__main__":
    main()
