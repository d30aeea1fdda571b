"""Sizes that decide what an image and a question cost a vision-language model."""

from dataclasses import dataclass

from robust_atp.backbones.flops import TowerShape


@dataclass(frozen=True)
class Shape:
    """Everything that decides what an image, a question and the layers they pass cost."""

    grid: tuple[int, int]
    patch: int  # pixels along a patch's side
    tower_width: int
    tower_heads: int
    tower_layers: int
    joint_width: int
    joint_layers: int
    width: int
    mlp_width: int
    heads: int
    layers: int
    text_before: int  # tokens of the prompt before the image, and after it
    text_after: int

    @property
    def total(self) -> int:
        """Visual tokens N."""
        return self.grid[0] * self.grid[1]

    @property
    def tower(self) -> TowerShape:
        """The CLIP tower, of which all layers but the last are projected, and a projector of two layers."""
        return TowerShape(
            patches=self.total,
            depth=self.tower_layers,
            layers=self.tower_layers - 1,
            weights=12 * self.tower_width**2,
            attention=self.tower_width,
            heads=self.tower_heads,
            embedding=3 * self.patch**2 * self.tower_width,
            projector=(self.tower_width + self.width) * self.width,
        )

    @property
    def text(self) -> int:
        """Text tokens of the prompt."""
        return self.text_before + self.text_after


SHAPES = {
    "llava-1.5-7b": Shape(
        grid=(24, 24), patch=14, tower_width=1024, tower_heads=16, tower_layers=24, joint_width=768, joint_layers=12,
        width=4096, mlp_width=11008, heads=32, layers=32, text_before=5, text_after=35,
    ),
    "tiny": Shape(
        grid=(4, 4), patch=2, tower_width=16, tower_heads=2, tower_layers=4, joint_width=16, joint_layers=1,
        width=32, mlp_width=48, heads=4, layers=6, text_before=2, text_after=4,
    ),
}  # fmt: skip
