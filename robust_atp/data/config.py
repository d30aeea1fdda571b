"""What every data set says in a study file, and how paths in it are resolved."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

from robust_atp.data.example import Dataset


class DatasetConfig(BaseModel):
    """Keys of one data set in a study file. A loader subclasses this, adds its own keys and says how to load.

    The registered object of a data set is this class, so that a study file is checked in full before any
    data is read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    split: str

    def load(self) -> Dataset:
        """Read the data set. ``UserError`` naming the file for anything missing or malformed."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to load itself")


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
