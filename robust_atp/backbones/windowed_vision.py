"""Qwen2.5-VL's vision tower: no CLS token, attention in windows in most layers, 2 × 2 patches to a visual token."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig

from robust_atp.backbones.attention import (
    Reduction,
    attention_received_by_all,
    captured_attention,
    captured_input,
)
from robust_atp.backbones.signals import LAYERS, layer_number

NO_CLS = "its vision tower has no CLS token"
IN_WINDOWS = "in that layer of its vision tower patches attend within windows only, which cannot be compared"


def windowed_signals(config: PretrainedConfig) -> frozenset[str]:
    """Names of the signals that ``WindowedVision`` can compute, from the configuration of the tower."""
    depth = config.depth
    wide = {layer for layer in LAYERS if _block(layer, depth) in config.fullatt_block_indexes}
    received = {f"received_attention:{layer}" for layer in wide}
    return frozenset(received | {f"keys:{layer}" for layer in LAYERS} | {"tower_features"})


def _block(layer: str, depth: int) -> int:
    return layer_number(f":{layer}", depth, depth - 1)


class WindowedVision:
    """The tower with its merger, which makes one visual token of each square of patches.

    Signals are those of the squares: attention received is summed over a square's patches, keys (before their
    rotation, which would make neighbours alike) are averaged, tower features stand side by side [N, s² C].
    """

    def __init__(self, tower: Any) -> None:
        self.tower = tower
        self._square = tower.config.spatial_merge_size**2

    def encode(
        self, pixels: Tensor, patches: Tensor, signals: frozenset[str]
    ) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
        """Features [N, D] and signals of B images from their patches; ``patches`` [B, 3] are the patch grids."""
        features, recorded = self._recorded(signals, pixels, patches)
        grids = [(rows, columns) for _, rows, columns in patches.tolist()]
        sizes = [rows * columns // self._square for rows, columns in grids]
        found: list[dict[str, Tensor]] = [{} for _ in grids]
        for name, values in recorded.items():
            axis = 1 if ":" in name else 0
            parts = values.split([size * self._square for size in sizes], axis)
            for own, grid, part in zip(found, grids, parts, strict=True):
                squares = self._of_squares(name, part.unflatten(axis, (-1, self._square)))
                own[name] = squares.index_select(axis, self._places(grid).to(squares.device))
        return list(features.split(sizes)), found

    @torch.inference_mode()
    def project(self, tower_features: Tensor) -> Tensor:
        """Map squares of patches, or mixtures of them, [..., s² C] to visual tokens [..., D]."""
        patches = tower_features.to(self.tower.dtype).unflatten(-1, (self._square, -1))
        return self.tower.merger(patches.flatten(0, -2)).reshape(*tower_features.shape[:-1], -1)

    def _attention(self, signal: str) -> Any:
        blocks: Sequence[Any] = self.tower.blocks
        return blocks[layer_number(signal, len(blocks), len(blocks) - 1)].attn

    def _recorded(
        self, signals: frozenset[str], pixels: Tensor, patches: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Features of all images [sum of N, D] and signals of their patches, in the tower's order.

        Attention received is [H, S], keys are [H, S, d] and tower features [S, C], S being the number of patches.
        """
        # In layers without windows the tower calls its attention image by image.
        received: dict[str, list[Tensor]] = {n: [] for n in sorted(signals) if n.startswith("received")}
        projected: dict[str, list[Tensor]] = {n: [] for n in sorted(signals) if n.startswith("keys")}
        inputs: dict[str, Tensor] = {}
        with ExitStack() as stack:
            wanted = {name: (self._attention(name), _into(calls)) for name, calls in received.items()}
            stack.enter_context(captured_attention(self.tower, wanted))
            stack.enter_context(captured_input(self.tower.merger, "tower_features", inputs))
            for name, calls in projected.items():
                hook = self._attention(name).qkv.register_forward_hook(
                    lambda module, arguments, output, calls=calls: calls.append(output)
                )
                stack.callback(hook.remove)
            features = self.tower(pixels, grid_thw=patches).pooler_output
        found = {name: torch.cat(calls, -1)[0] for name, calls in received.items()}
        for name, (output,) in projected.items():
            _, keys, _ = output.unflatten(-1, (3, self.tower.config.num_heads, -1)).unbind(1)  # [S, H, d]
            found[name] = keys.transpose(0, 1)
        return features, found | (inputs if "tower_features" in signals else {})

    def _of_squares(self, name: str, patches: Tensor) -> Tensor:
        """Make one value of those of the patches of each square: [H, N, s²(, d)] or [N, s², C]."""
        if name == "tower_features":
            return patches.flatten(1)
        return patches.sum(2) if name.startswith("received") else patches.mean(2)

    def _places(self, grid: tuple[int, int]) -> Tensor:
        """Where the tower, which puts windows behind each other, has each visual token in raster order [N]."""
        side = self.tower.config.spatial_merge_size
        rows, columns = grid[0] // side, grid[1] // side
        window = self.tower.config.window_size // side // self.tower.config.patch_size
        row, column = torch.arange(rows)[:, None], torch.arange(columns)[None]
        windows_across = -(-columns // window)
        number = (row // window) * windows_across + column // window  # [rows, columns]
        by_window = number.flatten().sort(stable=True).indices  # raster order within a window
        return by_window.argsort()


def _into(calls: list[Tensor]) -> Reduction:
    """Keep the attention received by every call: a later one must not take the place of an earlier one."""

    def reduce(query: Tensor, key: Tensor, scaling: float) -> Tensor:
        calls.append(attention_received_by_all(query, key, scaling))
        return calls[-1]

    return reduce
