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


def keep_thinned(
    tokens: Sequence[VisionTokens], counts: Sequence[int], position_policy: str, image_of: Sequence[int]
) -> KeptTokens:
    """Keep all that left a vision tower which thinned the images, ``counts`` [B] tokens.

    Question q sees image ``image_of[q]``. ``ValueError`` if another number left it, or values are not finite.
    """
    indices = {}
    for image in set(image_of):
        own, count = tokens[image], counts[image]
        if len(own.features) != count:
            raise ValueError(
                f"image {image}: {len(own.features)} tokens left the vision tower and {count} were asked for: "
                "encode with Method.thinning"
            )
        if not own.features.isfinite().all():
            raise ValueError(f"features of image {image}: nan or infinite values, the model is broken")
        whole = torch.arange(count, device=own.features.device)
        indices[image] = whole if own.thinned is None else own.thinned.stages[-1]
    return KeptTokens(
        [tokens[image].features for image in image_of],
        [indices[image] for image in image_of],
        [tokens[image].total for image in image_of],
        position_policy,
        [tokens[image].thinned for image in image_of],
    )
