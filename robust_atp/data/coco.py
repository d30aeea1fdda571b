"""What data sets on COCO's photos share: a folder of them, and annotated instances."""

import re
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import field_validator

from robust_atp.data.coco_instances import Instances
from robust_atp.data.config import DataFile, DataFolder, PublishedConfig
from robust_atp.data.image_folder import fill, read_below
from robust_atp.data.image_questions import ReadMask
from robust_atp.errors import UserError

# The number that ends COCO_val2014_000000000450 names the photo in every year's release.
_NUMBER = re.compile(r"(\d+)(?:\.\w+)?$")


class CocoConfig(PublishedConfig):
    """A data set on COCO's photos.

    ``image_name`` says what the folder calls them: ``{image_id}`` is the number of a photo, so that the archives of
    2014 are ``COCO_val2014_{image_id:012d}.jpg`` and those of 2017 ``{image_id:012d}.jpg``. ``instances`` are COCO's
    official instance annotations, which probes take as object masks.
    """

    images_folder: DataFolder | None = None
    image_name: str = "COCO_val2014_{image_id:012d}.jpg"
    instances: DataFile | None = None

    NAMED_BY: ClassVar[Mapping[str, tuple[object, object]]] = {"image_id": (1, 2)}
    """What ``image_name`` may hold, with two values that must give two names."""

    @field_validator("image_name")
    @classmethod
    def _fills_in(cls, pattern: str) -> str:
        one, other = ({name: values[i] for name, values in cls.NAMED_BY.items()} for i in (0, 1))
        if fill(pattern, **one) == fill(pattern, **other):
            names = " or ".join(f"{{{name}}}" for name in cls.NAMED_BY)
            raise ValueError(f"must contain {names}, e.g. {{image_id:012d}}.jpg")
        return pattern

    def read_image(self, image_id: str) -> np.ndarray:
        """Pixels of a photo of the folder."""
        assert self.images_folder is not None
        values: dict[str, object] = {"image": image_id} if "image" in self.NAMED_BY else {}
        if number := _NUMBER.search(image_id):
            values["image_id"] = int(number[1])
        try:
            name = fill(self.image_name, **values)
        except ValueError as error:
            raise UserError(f"image_name {self.image_name} {error}; the image is '{image_id}'") from None
        return read_below(self.images_folder, name)

    def read_instances(self) -> Instances | None:
        """The annotated instances, if the study names them."""
        return Instances(self.instances) if self.instances else None

    def mask_reader(self) -> ReadMask | None:
        """Reader of object masks, if there are instances."""
        return mask_reader(self.read_instances())


def mask_reader(instances: Instances | None) -> ReadMask | None:
    """Reader of the masks of annotated objects, if there are any."""
    return None if instances is None else lambda image_id: instances.mask(coco_number(image_id))


def coco_number(image_id: str) -> str:
    """The number in a photo's id or file name: ``COCO_val2014_000000000450.jpg`` is ``450``."""
    number = _NUMBER.search(image_id)
    if not number:
        raise UserError(f"image '{image_id}' has no COCO number at its end")
    return str(int(number[1]))
