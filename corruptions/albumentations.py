"""A corruption as a transform of albumentations. Importing this needs albumentations 2."""

from collections.abc import Mapping
from typing import Any

from albumentations.core.transforms_interface import ImageOnlyTransform

from corruptions.apply import corrupt
from corruptions.images import RGB


class Corrupt(ImageOnlyTransform):
    """Corrupts the image of a sample with probability ``p``; masks and boxes stay where they are.

        A.Compose([Corrupt("fog", severity=3), A.HorizontalFlip()], seed=0)

    uint8 [H, W, 3]. The noise is drawn with the generator that ``Compose(seed=)`` sets, so replaying works too.
    """

    def __init__(
        self, name: str, severity: float, params: Mapping[str, Any] | None = None, p: float = 1.0
    ) -> None:
        """Take the arguments of ``corruptions.corrupt``."""
        super().__init__(p=p)
        self.name, self.severity, self.overrides = name, severity, params

    def get_params(self) -> dict[str, Any]:
        """Draw the seed of a sample."""
        return {"seed": self.py_random.getrandbits(31)}

    def apply(self, img: RGB, seed: int, **params: Any) -> RGB:
        """Corrupt one image."""
        return corrupt(img, self.name, self.severity, seed, params=self.overrides)

    def get_transform_init_args(self) -> dict[str, Any]:
        """Return what rebuilds the transform."""
        return {"name": self.name, "severity": self.severity, "params": self.overrides}
