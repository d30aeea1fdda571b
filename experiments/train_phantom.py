"""Train the phantom backbones from nothing and print what they can do.

    python experiments/train_phantom.py --work runs/phantom --out robust_atp/phantom/weights

First CLIP's towers, which all backbones share. Then, on its frozen features, what is each backbone's own: ``phantom``
(LLaVA), ``phantom-blip2`` and ``phantom-flamingo`` in the neutral world, ``phantom-shortcut`` (LLaVA) in the world
whose backgrounds give shapes away. Seeded and resumable: the same command continues from the checkpoints in --work.
On a GPU pass --device cuda.

``--only`` trains one of them, so that they can run side by side once the vision tower is done.
"""

import argparse
from pathlib import Path

import torch

from robust_atp.phantom.model import build_clip
from robust_atp.phantom.training.evaluate import report
from robust_atp.phantom.training.recipes import RECIPES
from robust_atp.phantom.training.vision import train_vision


def main() -> None:
    """Parse the command line, train, save, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--work", type=Path, default=Path("runs/phantom"), help="checkpoints (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/phantom/weights"), help="folder for the backbones"
    )
    parser.add_argument("--only", choices=RECIPES, help="train just one of them")
    parser.add_argument("--vision-steps", type=int, default=1000)
    parser.add_argument("--language-steps", type=int, help="of the last stage (default: the backbone's own)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--evaluate", action="store_true", help="only measure what is in --out")
    arguments = parser.parse_args()

    for name in RECIPES:
        if arguments.only in (None, name):
            if not arguments.evaluate:
                train(name, arguments)
            print(report(arguments.out / name))


def train(name: str, arguments: argparse.Namespace) -> None:
    """Train one backbone and write its checkpoint folder."""
    torch.manual_seed(arguments.seed)
    clip = build_clip().to(torch.device(arguments.device))  # type: ignore[arg-type]  # their decorator hides the signature
    train_vision(clip, arguments.work / "vision.pt", steps=arguments.vision_steps, seed=arguments.seed)
    RECIPES[name].cook(
        clip,
        arguments.work / name,
        arguments.out / name,
        steps=arguments.language_steps,
        seed=arguments.seed + 10,
    )


if __name__ == "__main__":
    main()
