"""Sizes that decide what an image and a question cost a vision-language model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """Everything that decides what an image, a question and the layers they pass cost."""

    grid: tuple[int, int]
    tower_width: int
    tower_heads: int
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
    def text(self) -> int:
        """Text tokens of the prompt."""
        return self.text_before + self.text_after


SHAPES = {
    "llava-1.5-7b": Shape(
        grid=(24, 24), tower_width=1024, tower_heads=16, joint_width=768, joint_layers=12,
        width=4096, mlp_width=11008, heads=32, layers=32, text_before=5, text_after=35,
    ),
    "tiny": Shape(
        grid=(4, 4), tower_width=16, tower_heads=2, joint_width=16, joint_layers=1,
        width=32, mlp_width=48, heads=4, layers=6, text_before=2, text_after=4,
    ),
}  # fmt: skip
