"""A corruption as a transform of torchvision v2. Importing this needs torchvision 0.21 or newer."""

from collections.abc import Mapping
from typing import Any

import PIL.Image
import torch
from torchvision import tv_tensors
from torchvision.transforms.v2 import Transform
from torchvision.transforms.v2.functional import is_pure_tensor

from corruptions.apply import corrupt


class Corrupt(Transform):
    """Corrupts the image of a sample and leaves everything else in it alone.

        v2.Compose([Corrupt("fog", severity=3), v2.ToDtype(torch.float32, scale=True)])

    Takes PIL images and uint8 tensors [3, H, W], plain or ``tv_tensors.Image``, and returns the same kind. The
    noise is drawn with torch's generator, once for all images of a sample.
    """

    # Boxes and masks are tensors too, and not to be corrupted.
    _transformed_types = (PIL.Image.Image, tv_tensors.Image, is_pure_tensor)

    def __init__(self, name: str, severity: float, params: Mapping[str, Any] | None = None) -> None:
        """Take the arguments of ``corruptions.corrupt``."""
        super().__init__()
        self.name, self.severity, self.params = name, severity, params

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the seed of a sample."""
        return {"seed": int(torch.randint(2**31, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Corrupt one image."""
        how = {"seed": params["seed"], "params": self.params}
        if isinstance(inpt, PIL.Image.Image):
            return corrupt(inpt, self.name, self.severity, **how)
        result = corrupt(inpt.permute(1, 2, 0).cpu().numpy(), self.name, self.severity, **how)
        return tv_tensors.wrap(torch.from_numpy(result).permute(2, 0, 1).to(inpt.device), like=inpt)
