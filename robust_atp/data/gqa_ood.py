"""GQA-OOD: GQA's questions split by whether their answer is frequent (head) or rare (tail) (Kervadec et al. 2021)."""

from collections.abc import Mapping
from itertools import chain
from typing import ClassVar

from robust_atp.data.config import DataFile, DataFolder, PublishedConfig
from robust_atp.data.gqa import Protocol, gqa_examples, jpeg_reader, mask_reader, metric
from robust_atp.data.image_questions import ImageQuestions
from robust_atp.data.json_stream import members


class GQAOODConfig(PublishedConfig):
    """Keys in a study file: the official files ``head`` and ``tail``, and GQA's folder of images.

    The official file of all questions is these two put together, and is not read. Questions carry ``frequency``, head
    or tail, in their group. Other keys are GQA's.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {"official files": ("head", "tail", "images_folder")}

    head: DataFile | None = None
    tail: DataFile | None = None
    images_folder: DataFolder | None = None
    scene_graphs: DataFile | None = None
    protocol: Protocol = "official"

    @property
    def scored_by(self) -> str:
        """Name of the score: that of the official program, or of the protocol."""
        return metric(self.protocol)

    def read(self) -> ImageQuestions:
        """Read the questions; images are read one by one when they are asked for."""
        assert self.head is not None
        assert self.tail is not None
        assert self.images_folder is not None
        return ImageQuestions(
            self,
            chain.from_iterable(
                gqa_examples(members(file), str(file), group={"frequency": frequency})
                for frequency, file in (("head", self.head), ("tail", self.tail))
            ),
            jpeg_reader(self.images_folder),
            what=f"{self.head} and {self.tail}",
            read_mask=mask_reader(self.scene_graphs),
            limit=self.limit,
        )
