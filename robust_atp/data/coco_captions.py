"""COCO captions: one caption to be written per photo, five to compare it with (Chen et al. 2015; Karpathy's splits)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from robust_atp.data.coco import CocoConfig, coco_number, mask_reader
from robust_atp.data.coco_instances import Instances
from robust_atp.data.config import DataFile
from robust_atp.data.example import Example
from robust_atp.data.hub import HubTable
from robust_atp.data.image_questions import ImageQuestions
from robust_atp.data.json_stream import elements
from robust_atp.data.official import field, identifier, text
from robust_atp.data.spool import Spool
from robust_atp.errors import UserError
from robust_atp.tasks import CAPTION

INSTRUCTION = "Provide a one-sentence caption for the provided image."


class CocoCaptionsConfig(CocoConfig):
    """Keys in a study file.

    ``captions`` is an official file (``captions_val2014.json``, ``captions_val2017.json``); ``karpathy`` is
    ``dataset_coco.json``, of which ``split`` is train, restval, val or test. On the hub Karpathy's splits
    (``yerevann/coco-karpathy``) come without pictures, and take those of ``images_folder``. The score weighs words by
    their document frequencies in the whole split, whatever ``limit`` keeps of it. With ``instances`` the
    kinds of objects in a photo are ``objects`` in its group, "dog, dining table", which is what CHAIR asks for.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "official files": ("captions", "images_folder"),
        "Karpathy's splits": ("karpathy", "images_folder"),
        "the hub": ("hub",),
    }

    captions: DataFile | None = None
    karpathy: DataFile | None = None

    @property
    def scored_by(self) -> str:
        """CIDEr-D under document frequencies of the whole split."""
        return "cider"

    @property
    def task(self) -> str:
        """Captions are longer than answers."""
        return CAPTION

    def read(self) -> ImageQuestions:
        """Read the captions; images are read one by one when they are asked for."""
        read_image, revision = self.read_image, ""
        if self.hub is not None:
            table = HubTable(self.hub, self.split, self.revision)
            found, what, revision = _rows(table), self.hub, table.commit
            if "image" in table.columns:
                read_image = table.image_index(name for name, _ in _captioned(table)).read
            elif self.images_folder is None:
                raise UserError(f"data set '{self.hub}' holds no pictures: give images_folder, too")
        elif self.captions is not None:
            found, what = _official(self.captions), str(self.captions)
        else:
            assert self.karpathy is not None
            found, what = _karpathy(self.karpathy, self.split), f"{self.karpathy}, split {self.split}"
        captions, instances = Spool(found), self.read_instances()
        return ImageQuestions(
            self,
            (_example(image, captions.get(image), _objects(image, instances)) for image in captions),
            read_image,
            what=what,
            read_mask=mask_reader(instances),
            references=lambda: (captions.get(image) for image in captions),
            limit=self.limit,
            revision=revision,
        )


def _official(file: Path) -> Iterator[tuple[str, str]]:
    """Image and caption, image by image in the order of ``images``; those without a caption are no examples."""
    captions = Spool(_annotations(file))
    images = Spool(
        (identifier(image, "id", f"{file}, images[{number}]"), True)
        for number, image in enumerate(elements(file, "images"))
    )
    for name in images.require_unique(f"image ids in {file}"):
        yield from ((name, caption) for caption in captions.get(name))


def _annotations(file: Path) -> Iterator[tuple[str, str]]:
    for number, record in enumerate(elements(file, "annotations")):
        where = f"{file}, annotations[{number}]"
        yield identifier(record, "image_id", where), text(record, "caption", where)


def _karpathy(file: Path, split: str) -> Iterator[tuple[str, str]]:
    splits: set[str] = set()
    images = Spool(_images_of(file, split, splits)).require_unique(f"image ids in {file}, split {split}")
    if split not in splits:
        raise UserError(f"{file}: has no split '{split}', only {', '.join(sorted(splits))}")
    for name in images:
        yield from ((name, caption) for caption in images.get(name)[0])


def _images_of(file: Path, split: str, splits: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Images of a split with their captions; what splits there are is added to ``splits``."""
    for number, image in enumerate(elements(file, "images")):
        where = f"{file}, images[{number}]"
        splits.add(text(image, "split", where))
        if image["split"] == split:
            sentences = field(image, "sentences", where)
            yield (
                identifier(image, "cocoid", where),
                [text(sentence, "raw", where) for sentence in sentences],
            )


def _rows(table: HubTable) -> Iterator[tuple[str, str]]:
    for name, captions in _captioned(table):
        yield from ((name, caption) for caption in captions)


def _captioned(table: HubTable) -> Iterator[tuple[str, list[str]]]:
    """Images with their captions, in the columns of COCO-Caption or of Karpathy's splits."""
    name, captions = ("cocoid", "sentences") if "cocoid" in table.columns else ("file_name", "answer")
    return ((coco_number(str(row[name])), row[captions]) for row in table.rows((name, captions)))


def _objects(image: str, instances: Instances | None) -> dict[str, str]:
    """Categories of the annotated objects; nothing for an image that the annotations do not cover."""
    if instances is None or coco_number(image) not in instances:
        return {}
    return {"objects": ", ".join(instances.names(coco_number(image)))}


def _example(image: str, captions: Sequence[str], group: Mapping[str, str]) -> Example:
    return Example(
        image_id=image,
        question_id=image,
        question=INSTRUCTION,
        answers=tuple(captions),
        answer=captions[0],
        question_type="caption",
        answer_type="caption",
        group=group,
        original=json.dumps({"image_id": image, "captions": list(captions)}, ensure_ascii=False),
    )
