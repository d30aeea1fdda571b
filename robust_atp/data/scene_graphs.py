"""GQA's scene graphs: objects of an image with boxes, attributes and relations (train and val only)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from robust_atp.data.coco_instances import object_mask
from robust_atp.data.json_stream import members
from robust_atp.data.official import field
from robust_atp.data.spool import Spool


class SceneGraphs:
    """An official file of scene graphs, kept on disk."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._graphs = Spool(members(file)).require_unique(f"image ids in {file}")

    def image_ids(self) -> Iterator[str]:
        """Images of the file."""
        return iter(self._graphs)

    def names(self, image_id: str) -> list[str]:
        """Names of the objects in an image, each once, in the order of the file."""
        return list(
            dict.fromkeys(field(found, "name", self._where(image_id)) for found in self._objects(image_id))
        )

    def mask(self, image_id: str) -> np.ndarray | None:
        """True in the box of every object, bool [H, W]; None for an image the file lacks. Boxes may leave the image."""
        where = self._where(image_id)
        for graph in self._graphs.get(image_id):
            height, width = (field(graph, key, where) for key in ("height", "width"))
            mask = np.zeros((height, width), bool)
            for found in self._objects(image_id):
                box = [field(found, key, where) for key in "xywh"]
                mask |= object_mask({"bbox": box}, height, width, where)
            return mask
        return None

    def _objects(self, image_id: str) -> list[Any]:
        return [
            found
            for graph in self._graphs.get(image_id)
            for found in field(graph, "objects", self._where(image_id)).values()
        ]

    def _where(self, image_id: str) -> str:
        return f"{self._file}, image {image_id}"
