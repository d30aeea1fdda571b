"""POPE questions of our own, about any images of which the objects are annotated (COCO instances, GQA scene graphs)."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from robust_atp.data.coco import CocoConfig
from robust_atp.data.coco_instances import Instances
from robust_atp.data.config import DataFile
from robust_atp.data.image_questions import ImageQuestions
from robust_atp.data.pope import pope_example
from robust_atp.data.pope_building import Strategy, build_pope
from robust_atp.data.scene_graphs import SceneGraphs


class POPEBuilderConfig(CocoConfig):
    """Keys in a study file; ``split`` is the strategy.

    Objects come from ``instances`` or from ``scene_graphs``. ``limit`` images with at least ``pairs`` kinds of objects
    are drawn by ``seed``, and get ``pairs`` questions about what they show and as many about what they do not.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "COCO's annotations": ("instances", "images_folder"),
        "GQA's": ("scene_graphs", "images_folder"),
    }

    split: Strategy
    scene_graphs: DataFile | None = None
    pairs: int = Field(default=3, ge=1)
    seed: int = Field(default=0, ge=0)

    @property
    def scored_by(self) -> str:
        """POPE's reading of an answer."""
        return "pope"

    def read(self) -> ImageQuestions:
        """Make the questions from the annotations."""
        file = self.instances or self.scene_graphs
        assert file is not None
        known = Instances(file) if self.instances else SceneGraphs(file)
        objects = {image: known.names(image) for image in known.image_ids()}
        built = build_pope(objects, self.split, images=self.limit, pairs=self.pairs, seed=self.seed)
        return ImageQuestions(
            self,
            (pope_example(record, f"{file}, question {record['question_id']}") for record in built),
            self.read_image,
            what=str(file),
            read_mask=known.mask,
        )
