"""One row for every backbone that keeps to the contract: how it is built, what it refuses, what ``generate`` says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tiny_llava import TEMPLATE, tiny_llava
from tiny_llava_next import tiny_llava_next
from tiny_qwen2_5_vl import tiny_qwen2_5_vl

IMAGE, END = 4, 2  # tokens of the tiny tokenizers


def by_processor(backbone: Any, image: Any, question: str) -> dict[str, Any]:
    """Inputs of ``generate`` from the checkpoint's own processor."""
    text = TEMPLATE.replace("{question}", question)
    return dict(backbone.processor(images=image, text=text, return_tensors="pt"))


def by_parts(backbone: Any, image: Any, question: str) -> dict[str, Any]:
    """The same where a processor would ask for a package for videos: as many placeholders as the grid says."""
    pixels = dict(backbone.image_processor(image, return_tensors="pt"))
    count = int(pixels["image_grid_thw"].prod()) // 4
    text = TEMPLATE.replace("{question}", question).replace("<image>", "<image>" * count)
    ids = backbone.tokenizer(text, return_tensors="pt")["input_ids"]
    is_image = (ids == IMAGE).int()
    return pixels | {"input_ids": ids, "mm_token_type_ids": is_image, "attention_mask": torch.ones_like(ids)}


def consecutive(backbone: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Position ids [1, T] of a prompt in which nothing was dropped."""
    return torch.arange(inputs["input_ids"].shape[1])[None]


def along_three_axes(backbone: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Position ids [3, 1, T] as the model's own code computes them."""
    positions, _ = backbone.model.model.get_rope_index(
        inputs["input_ids"], inputs["mm_token_type_ids"], image_grid_thw=inputs["image_grid_thw"]
    )
    return positions


@dataclass(frozen=True)
class Row:
    """A backbone: its microscopic checkpoint and what is special about it."""

    name: str
    build: Callable[[Path], Path]
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Callable[[Any, Any, str], dict[str, Any]] = by_processor
    positions: Callable[[Any, dict[str, Any]], torch.Tensor] = consecutive
    refused: Mapping[str, str] = field(default_factory=dict)
    """Pruners that do not run on it, with a part of the message."""


_NEEDS_CLS = dict.fromkeys(
    ["cls-attention", "fastervlm", "vispruner", "visionzip", "prumerge", "prumerge-plus", "e-adaprune"],
    "its vision tower has no CLS token",
)

_NO_CUTS_IN_THE_TOWER = dict.fromkeys(["resize", "heatvit", "heatvit-free"], "run once for an image")

ROWS = [
    Row("llava", tiny_llava),
    Row("llava_next", tiny_llava_next, refused=_NO_CUTS_IN_THE_TOWER),
    Row(
        "llava_next-global",
        tiny_llava_next,
        {"tile_budget": "global"},
        refused=_NO_CUTS_IN_THE_TOWER
        | dict.fromkeys(
            ["uniform-grid", "centre-crop", "downsample", "hiprune"], "take tile_budget 'per_tile'"
        ),
    ),
    Row(
        "qwen2_5_vl",
        tiny_qwen2_5_vl,
        inputs=by_parts,
        positions=along_three_axes,
        refused=_NEEDS_CLS
        | _NO_CUTS_IN_THE_TOWER
        | dict.fromkeys(["atp", "cdpruner"], "no space in which to compare"),
    ),
]
