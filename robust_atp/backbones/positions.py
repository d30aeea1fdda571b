"""Position ids along one axis [T], or along the axes of a multimodal rotary embedding [T, A]."""

from typing import Any

import torch
from torch import Tensor


def along_axes(positions: Tensor, like: Tensor) -> Tensor:
    """Give positions of text [T] as many axes as the image's have: text advances along all of them alike."""
    return positions if like.ndim == 1 else positions[:, None].expand(-1, like.shape[1])


def compact_places(places: Tensor) -> Tensor:
    """Renumber an image's places [M] or [M, A] without gaps.

    Along one axis: 0, 1, … in the order of the sequence. Along several, each by itself: a row or column of the
    grid of which nothing is left takes up no position. If nothing was dropped, places are what they were.
    """
    if places.ndim == 1:
        return torch.arange(len(places), device=places.device)
    ranks = [axis.unique(return_inverse=True)[1] for axis in places.unbind(-1)]
    return torch.stack(ranks, -1)


def compact_prompt(positions: Tensor, image: slice) -> Tensor:
    """Renumber the positions of a prompt without gaps: its image as above, the text after it right behind."""
    places = compact_places(positions[image])
    first = positions[: image.start].amax() + 1 if image.start else positions.new_zeros(())
    end = first + (places.max() + 1 if len(places) else 0)
    after = end + torch.arange(len(positions) - image.stop, device=positions.device)
    return torch.cat([positions[: image.start], first + places, along_axes(after, positions)])


def rotary_angles(decoder: Any, states: Tensor, positions: Tensor) -> Any:
    """Cosines and sines of a decoder's rotary embedding at positions [B, T] or [B, T, A]."""
    return decoder.get_submodule("rotary_emb")(states, as_position_ids(positions))


def as_position_ids(positions: Tensor) -> Tensor:
    """Put the axes first, where transformers wants them: [B, T] or [A, B, T]."""
    return positions if positions.ndim == 2 else positions.movedim(-1, 0)
