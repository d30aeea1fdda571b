"""Train a pruning method's own weights for the phantom backbones and print what they are worth.

    python experiments/train_pruner.py atp-llava --out robust_atp/phantom/weights/pruners

The backbones stay as they are. Seeded and resumable: the same command continues from the checkpoints in --work.
What is written to --out is shipped with the package; a file elsewhere is named by the pruner's option ``weights``.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from robust_atp.backbones.loading import SHIPPED
from robust_atp.phantom.training.atp_llava import train_atp_llava
from robust_atp.phantom.training.comparison import compare
from robust_atp.phantom.training.heatvit import train_heatvit
from robust_atp.pruning.trained import OwnWeights, save_weights

# Every method with weights of its own: from backbone and checkpoint file to trained weights.
TRAINERS: dict[str, Callable[[str, Path], OwnWeights]] = {
    "atp-llava": train_atp_llava,
    "heatvit": train_heatvit,
}


def main() -> None:
    """Parse the command line, train, save, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", choices=TRAINERS)
    parser.add_argument("--only", choices=SHIPPED, help="train for just one of the backbones")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/pruners"), help="checkpoints (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/pruners/weights"), help="folder for the weights"
    )
    parser.add_argument("--scenes", type=int, default=100, help="held-out scenes to measure on")
    parser.add_argument("--evaluate", action="store_true", help="only measure what is in --out")
    arguments = parser.parse_args()

    for backbone in SHIPPED:
        if arguments.only in (None, backbone):
            file = arguments.out / arguments.method / f"{backbone}.safetensors"
            if not arguments.evaluate:
                checkpoint = arguments.work / f"{arguments.method}-{backbone}.pt"
                save_weights(TRAINERS[arguments.method](backbone, checkpoint), file)
            print(compare(arguments.method, backbone, file, arguments.scenes))


if __name__ == "__main__":
    main()
