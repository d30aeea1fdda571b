"""Visual tokens of any grid, with every signal and a projector that is not linear, without a model."""

from dataclasses import replace

import torch

from robust_atp.backbones.seam import VisionTokens

HEADS, WIDTH, DIM, JOINT = 2, 6, 8, 5
LAYERS = ("projected", "last", *(f"{eighth}/8" for eighth in range(1, 8)))
SIGNALS = [
    f"{kind}:{layer}"
    for kind in ("cls_attention", "single_head_cls_attention", "received_attention", "keys")
    for layer in LAYERS
]


def made_up(grid, seed=0, images=1):
    """Tokens of each of ``images`` images and one unit-length question embedding for each."""
    total = grid[0] * grid[1]
    generator = torch.Generator().manual_seed(seed)
    signals = {name: _signal(name.partition(":")[0], images, total, generator) for name in SIGNALS}
    signals["joint_patches"] = _unit(torch.randn(images, total, JOINT, generator=generator))
    signals["tower_features"] = torch.randn(images, total, WIDTH, generator=generator)
    weight = torch.randn(WIDTH, DIM, generator=generator)

    def project(tower):
        return torch.tanh(tower.float() @ weight)

    text = _unit(torch.randn(images, JOINT, generator=generator))
    features = project(signals["tower_features"])
    tokens = [
        VisionTokens(features[image], grid, {n: s[image] for n, s in signals.items()}, project)
        for image in range(images)
    ]
    return tokens, text


def with_signals(tokens, **changed):
    """The one image's tokens with other signals; ``__`` stands for the colon, features under their own name."""
    (image,) = tokens
    features = changed.pop("features", image.features)
    new = {name.replace("__", ":"): value for name, value in changed.items()}
    return [replace(image, features=features, signals={**image.signals, **new})]


def _signal(kind, images, total, generator):
    if kind == "keys":
        return torch.randn(images, HEADS, total, 3, generator=generator)
    heads = 1 if kind == "single_head_cls_attention" else HEADS
    # Sharper than uniform: box plots should have outliers.
    return (2 * torch.randn(images, heads, total, generator=generator)).softmax(-1)


def _unit(vectors):
    return torch.nn.functional.normalize(vectors, dim=-1)
