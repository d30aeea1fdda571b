"""Qwen2.5-VL's vision tower: no CLS token, attention in windows in most layers, 2 × 2 patches to a visual token."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from transformers import PretrainedConfig

from robust_atp.backbones.attention import attention_received_by_all, captured_attention, captured_input
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
        # The tower calls its attention image by image in layers without windows.
        received: dict[str, list[Tensor]] = {
            name: [] for name in sorted(signals) if name.startswith("received")
        }
        inputs: dict[str, Tensor] = {}
        with ExitStack() as stack:
            wanted = {
                name: (self._attention(name), _collect_received(calls)) for name, calls in received.items()
            }
            stack.enter_context(captured_attention(self.tower, wanted))
            stack.enter_context(captured_input(self.tower.merger, "tower_features", inputs))
            projections = {name: [] for name in sorted(signals) if name.startswith("keys")}
            for name, outputs in projections.items():
                hook = self._attention(name).qkv.register_forward_hook(
                    lambda _, arguments, output, outputs=outputs: outputs.append(output)
                )
                stack.callback(hook.remove)
            features = self.tower(pixels, grid_thw=patches).pooler_output  # [sum of N, D]
        grids = [(rows, columns) for _, rows, columns in patches.tolist()]
        sizes = [rows * columns // self._square for rows, columns in grids]
        found: list[dict[str, Tensor]] = [{} for _ in grids]
        for image, (grid, own) in enumerate(zip(grids, found, strict=True)):
            rows = slice(sum(sizes[:image]) * self._square, sum(sizes[: image + 1]) * self._square)
            place = self._places(grid).to(features.device)
            for name, calls in received.items():
                own[name] = calls[image][0].unflatten(1, (-1, self._square)).sum(-1)[:, place]
            for name, (output,) in projections.items():
                own[name] = self._keys(output[rows])[:, place]
            if "tower_features" in signals:
                own["tower_features"] = inputs["tower_features"][rows].reshape(sizes[image], -1)[place]
        return list(features.split(sizes)), found

    @torch.inference_mode()
    def project(self, tower_features: Tensor) -> Tensor:
        """Map squares of patches, or mixtures of them, [..., s² C] to visual tokens [..., D]."""
        patches = tower_features.to(self.tower.dtype).unflatten(-1, (self._square, -1))
        return self.tower.merger(patches.flatten(0, -2)).reshape(*tower_features.shape[:-1], -1)

    def _attention(self, signal: str) -> Any:
        blocks: Sequence[Any] = self.tower.blocks
        return blocks[layer_number(signal, len(blocks), len(blocks) - 1)].attn

    def _keys(self, projected: Tensor) -> Tensor:
        """Keys of the squares [H, N, d] from queries, keys and values of the patches side by side."""
        _, keys, _ = projected.unflatten(-1, (3, self.tower.config.num_heads, -1)).unbind(1)  # [n, H, d]
        return keys.transpose(0, 1).unflatten(1, (-1, self._square)).mean(2)

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


def _collect_received(calls: list[Tensor]) -> Any:
    def reduce(query: Tensor, key: Tensor, scaling: float) -> Tensor:
        calls.append(attention_received_by_all(query, key, scaling))
        return calls[-1]

    return reduce
