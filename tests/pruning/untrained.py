"""Trained methods on a backbone for which nobody trained any: weights drawn at random, through a real file."""

import torch

from robust_atp.pruning import build_pruner
from robust_atp.pruning.token_selector import build_selectors
from robust_atp.pruning.tower import InsideTower
from robust_atp.pruning.trained import OwnWeights, save_weights


def selectors(backbone):
    return build_selectors(backbone.tower, InsideTower(()).depths(backbone.tower)).state_dict()


# A trained method is one line here: its tensors for a backbone, as drawn at the start of training.
UNTRAINED = {"heatvit": selectors}


def ready(name, backbone, folder, **options):
    """The method on the backbone; a trained one with random weights in a file in ``folder``."""
    if build_pruner(name).trained:
        options |= {"weights": str(written(name, backbone, folder))}
    return build_pruner(name, options).on(backbone)


def written(name, backbone, folder):
    """A file of random weights."""
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    tensors = UNTRAINED[name](backbone)
    torch.random.set_rng_state(state)
    path = folder / f"{name}.safetensors"
    save_weights(OwnWeights(name, backbone.name, backbone.revision, tensors, {}), path)
    return path
