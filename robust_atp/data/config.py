"""What every data set says in a study file, and how paths in it are resolved."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from robust_atp.data.example import Dataset
from robust_atp.tasks import SHORT_ANSWER


def _against_base(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    return path if base is None else Path(base) / path.expanduser()


def _file(path: Path, info: ValidationInfo) -> Path:
    if _must_exist(info) and not path.is_file():
        raise ValueError(f"no such file: {path}")
    return path


def _folder(path: Path, info: ValidationInfo) -> Path:
    if _must_exist(info) and not path.is_dir():
        raise ValueError(f"no such folder: {path}")
    return path


def _must_exist(info: ValidationInfo) -> bool:
    # A finished study is opened on machines that do not hold its data: then there is no base.
    return (info.context or {}).get("base") is not None


DataFile = Annotated[Path, AfterValidator(_against_base), AfterValidator(_file)]
DataFolder = Annotated[Path, AfterValidator(_against_base), AfterValidator(_folder)]


def _hub_folder(hub: str, info: ValidationInfo) -> str:
    folder = _against_base(Path(hub), info)
    return str(folder) if folder.is_dir() else hub


HubId = Annotated[str, AfterValidator(_hub_folder)]


class DatasetConfig(BaseModel):
    """Keys of one data set in a study file. A loader subclasses this, adds its own keys and says how to read.

    The registered object of a data set is this class, so that a study file is checked in full before any
    data is read. ``exported`` is a folder that ``robust-atp export`` wrote of this very data set: then nothing else
    is read, and corrupted images come from there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    split: str
    exported: DataFolder | None = None

    @property
    def task(self) -> str:
        """What backbones are asked for: ``short answer`` or ``caption``."""
        return SHORT_ANSWER

    @property
    def scored_by(self) -> str:
        """Name of the score of an answer, as ``robust_atp.scoring.scorer`` knows it."""
        raise NotImplementedError(f"{type(self).__name__} does not say how answers are scored")

    def load(self) -> Dataset:
        """Read the data set. ``UserError`` naming the file for anything missing or malformed."""
        if self.exported is None:
            return self.read()
        from robust_atp.data.exported import Exported

        return Exported(self.exported, self.name, self.split, self.scored_by)

    def read(self) -> Dataset:
        """Read the data set from where it was first published."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to read itself")


class PublishedConfig(DatasetConfig):
    """A data set that is read from its official files, or from the hub through ``datasets``, with equal examples.

    ``hub`` is the id of a data set on the hub, or a folder in its layout; ``revision`` its commit, branch or tag, by
    default the newest, which is resolved and becomes part of the fingerprint. ``limit`` keeps the first so many images.
    """

    SOURCES: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Keys of each source: one source must be given in full."""

    hub: HubId | None = None
    revision: str | None = None
    limit: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _name_one_source(self, info: ValidationInfo) -> "PublishedConfig":
        given = [
            keys for keys in self.SOURCES.values() if all(getattr(self, key) is not None for key in keys)
        ]
        if self.exported is None and len(given) != 1:
            choices = "; or ".join(
                f"{', '.join(keys)} ({source})"
                for source, keys in {**self.SOURCES, "an export": ("exported",)}.items()
            )
            raise ValueError(f"needs one of: {choices}")
        if self.revision is not None and self.hub is None:
            raise ValueError("revision is that of a data set on the hub: give hub, too")
        return self
