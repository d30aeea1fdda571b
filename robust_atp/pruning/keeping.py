"""Dropping tokens, once it is decided which stay."""

from collections.abc import Sequence

import torch
from torch import Tensor

from robust_atp.backbones.seam import KeptTokens, VisionTokens


def keep_indices(
    tokens: Sequence[VisionTokens],
    indices: Sequence[Tensor | Sequence[int]],
    position_policy: str = "compacted",
    image_of: Sequence[int] | None = None,
) -> KeptTokens:
    """Keep given grid positions of given images: question q keeps ``indices[q]`` of image ``image_of[q]``.

    ``image_of`` defaults to one question per image, in order. Indices are sorted into raster order;
    ``ValueError`` if they are empty, repeated or off the grid. The same object given for several questions
    of an image is gathered once and shared, which lets a backbone share their prefill.
    """
    images = range(len(indices)) if image_of is None else image_of
    shared: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    features, kept = [], []
    for image, chosen in zip(images, indices, strict=True):
        key = (image, id(chosen))
        if key not in shared:
            available = tokens[image].features  # [N, D]
            total = len(available)
            positions = torch.as_tensor(chosen, device=available.device).unique()  # ascending
            if (
                not len(positions)
                or len(positions) != len(chosen)
                or positions[0] < 0
                or positions[-1] >= total
            ):
                raise ValueError(
                    f"kept indices must be distinct and within 0..{total - 1}, at least one; got {chosen}"
                )
            shared[key] = available[positions], positions
        features.append(shared[key][0])
        kept.append(shared[key][1])
    totals = [len(tokens[image].features) for image in images]
    return KeptTokens(features, kept, totals, position_policy)
