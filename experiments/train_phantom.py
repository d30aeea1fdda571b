"""Train the phantom backbones from nothing and print what they can do.

    python experiments/train_phantom.py --work runs/phantom --out robust_atp/phantom/weights

Resumable: type the same command again.
"""

import argparse
from pathlib import Path

import torch

from robust_atp.phantom.model import build_clip
from robust_atp.phantom.training.vision import train_vision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/phantom"), help="checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    clip = build_clip()
    train_vision(clip, arguments.work, steps=1800, seed=arguments.seed)


if __name__ == "__main__":
    main()
