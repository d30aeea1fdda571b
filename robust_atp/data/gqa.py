"""GQA: compositional questions with one answer each, of the official files or the hub (Hudson and Manning 2019)."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from robust_atp.data.config import DataFile, DataFolder, PublishedConfig
from robust_atp.data.example import Example
from robust_atp.data.hub import HubTable
from robust_atp.data.image_folder import read_below
from robust_atp.data.image_questions import ImageQuestions, ReadImage, ReadMask
from robust_atp.data.json_stream import members
from robust_atp.data.official import field, identifier, text
from robust_atp.data.scene_graphs import SceneGraphs
from robust_atp.data.spool import Spool
from robust_atp.errors import UserError
from robust_atp.scoring.gqa import reasoning_steps

Protocol = Literal["official", "llava", "lmms-eval"]

_CHOICES = ("valid", "plausible")
_COLUMNS = ("id", "imageId", "question", "answer", "isBalanced", "groups", "entailed", "types", "semantic")


class GQAConfig(PublishedConfig):
    """Keys of a GQA data set in a study file.

    Of a file of all questions, those that are balanced are asked; with ``entailed`` also those that the balanced ones
    entail, which the official consistency needs. The study's own accuracy counts these like the others, the official
    one (tables/official.csv of a report) does not. ``choices`` is the official file of the answers that are valid and
    plausible for each question, which validity and plausibility need; it is kept with every record, so those grow.
    ``scene_graphs`` (val only) give probes their object masks.
    ``protocol``: ``official`` compares to the letter; ``llava`` lower-cases and drops a final period first, as LLaVA
    does before it hands answers in; ``lmms-eval`` ignores case and punctuation.

    On the hub, ``subset`` is the part of the names before ``_instructions`` and ``_images``.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "official files": ("questions", "images_folder"),
        "the hub": ("hub",),
    }

    questions: DataFile | None = None
    images_folder: DataFolder | None = None
    choices: DataFile | None = None
    scene_graphs: DataFile | None = None
    subset: str = "testdev_balanced"
    entailed: bool = False
    protocol: Protocol = "official"

    @property
    def scored_by(self) -> str:
        """Name of the score: that of the official program, or of the protocol."""
        return metric(self.protocol)

    def read(self) -> ImageQuestions:
        """Read the questions; images are read one by one when they are asked for."""
        if self.hub is not None:
            table = HubTable(self.hub, self.split, self.revision, f"{self.subset}_instructions")
            found: Iterable[tuple[str, Any]] = ((str(row["id"]), row) for row in table.rows(_COLUMNS))
            # A branch may move between the two tables.
            images = HubTable(self.hub, self.split, table.commit or None, f"{self.subset}_images")
            read_image: ReadImage = images.image_index(str(row["id"]) for row in images.rows(["id"])).read
            what, revision = self.hub, table.commit
        else:
            assert self.questions is not None
            assert self.images_folder is not None
            found, read_image = members(self.questions), jpeg_reader(self.images_folder)
            what, revision = str(self.questions), ""
        return ImageQuestions(
            self,
            gqa_examples(found, what, entailed=self.entailed, choices=self.choices),
            read_image,
            what=what,
            read_mask=mask_reader(self.scene_graphs),
            limit=self.limit,
            revision=revision,
        )


def metric(protocol: Protocol) -> str:
    """Name of the score under ``protocol``."""
    return "gqa" if protocol == "official" else f"gqa:{protocol}"


def jpeg_reader(folder: Path) -> ReadImage:
    """Reader of GQA's images, ``<image id>.jpg``."""
    return lambda image_id: read_below(folder, f"{image_id}.jpg")


def mask_reader(scene_graphs: Path | None) -> ReadMask | None:
    """Reader of object masks, if there are scene graphs."""
    return None if scene_graphs is None else SceneGraphs(scene_graphs).mask


def gqa_examples(
    found: Iterable[tuple[str, Any]],
    what: str,
    *,
    entailed: bool = False,
    choices: Path | None = None,
    group: Mapping[str, str] | None = None,
) -> Iterator[Example]:
    """Balanced questions, and with ``entailed`` those that they entail; ``group`` is added to each one's own."""
    questions = Spool(found).require_unique(f"question ids in {what}")
    wanted = Spool(_entailments(questions, what)) if entailed else None
    allowed = Spool(members(choices)).require_unique(f"question ids in {choices}") if choices else None
    for name in questions:
        (record,) = questions.get(name)
        where = f"{what}, question {name}"
        if field(record, "isBalanced", where) or (wanted is not None and name in wanted):
            among = _choices(allowed, name, str(choices)) if allowed and record["isBalanced"] else {}
            yield _example(name, record, where, {**among, **(group or {})})


def _entailments(questions: Spool, what: str) -> Iterator[tuple[str, bool]]:
    for name in questions:
        (record,) = questions.get(name)
        if field(record, "isBalanced", f"{what}, question {name}"):
            yield from ((other, True) for other in _ids(record["entailed"]))


def _example(name: str, record: Any, where: str, group: Mapping[str, str]) -> Example:
    types, groups = field(record, "types", where), field(record, "groups", where)
    answer = text(record, "answer", where)
    kind = text(types, "structural", where)
    own = {
        "structural": kind,
        "semantic": text(types, "semantic", where),
        "detailed": text(types, "detailed", where),
        "global": groups.get("global"),
        "local": groups.get("local"),
        "steps": str(reasoning_steps(record)),
        "balanced": "yes" if record["isBalanced"] else "no",
        "entailed": " ".join(_ids(field(record, "entailed", where))),
    }
    return Example(
        image_id=identifier(record, "imageId", where),
        question_id=name,
        question=text(record, "question", where),
        answers=(answer,),
        answer=answer,
        question_type=kind,
        answer_type="yes/no" if answer in ("yes", "no") else "other",
        group={key: value for key, value in own.items() if value} | dict(group),
        original=json.dumps(record, ensure_ascii=False),
    )


def _choices(allowed: Spool, name: str, what: str) -> dict[str, str]:
    """Valid and plausible answers to a question, each a JSON list."""
    found = allowed.get(name)
    if not found:
        raise UserError(f"{what}: has no choices for question {name}")
    return {kind: json.dumps(field(found[0], kind, f"{what}, question {name}")) for kind in _CHOICES}


def _ids(entailed: Any) -> list[str]:
    # The hub holds the list as text, "['201', '202']".
    return re.findall(r"\d+", entailed) if isinstance(entailed, str) else [str(name) for name in entailed]
