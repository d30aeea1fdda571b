"""What is known of a checkpoint before its weights are loaded: where it lies, which version, its configuration."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from robust_atp.errors import UserError, nearest

SHIPPED = ("phantom", "phantom-shortcut", "phantom-blip2", "phantom-flamingo")

# Files that decide what a checkpoint answers; a model card does not.
_CONTENT_SUFFIXES = {".safetensors", ".bin", ".json", ".jinja", ".txt", ".model"}

_COMMIT = re.compile(r"[0-9a-f]{40}")


class Unreachable(UserError):
    """The Hub does not answer and its cache here lacks the checkpoint: not a word on whether it exists."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found: its folder or hub id, its version, and what its ``config.json`` says."""

    source: str
    revision: str
    """Commit on the Hub, or hash of a folder's content."""
    config: Mapping[str, Any]


def find_checkpoint(name: str, revision: str | None = None) -> Checkpoint:
    """Find a shipped checkpoint, a folder or a hub id, there at branch, tag or commit ``revision``.

    ``UserError`` if there is none, ``Unreachable`` if the Hub would have to be asked and does not answer.
    """
    source = find_source(name)
    folder = Path(source)
    if folder.is_dir():
        if revision is not None:
            raise UserError(f"backbone '{name}' is a folder: only hub ids have a revision; got '{revision}'")
        if not (folder / "config.json").is_file():
            raise UserError(f"backbone '{name}': folder {source} holds no config.json")
        return Checkpoint(source, content_hash(folder), _read(folder / "config.json"))
    path = _download_config(source, revision)
    # The cache keeps a snapshot in a folder named after its commit.
    commit = path.parent.name
    if not _COMMIT.fullmatch(commit):
        raise UserError(f"backbone '{name}': the Hub names no commit for revision '{revision}'")
    return Checkpoint(source, commit, _read(path))


def find_source(name: str) -> str:
    """Folder or hub id behind a backbone's name; ``UserError`` if it can be neither."""
    if name in SHIPPED:
        folder = Path(str(files("robust_atp.phantom"))) / "weights" / name
        if not folder.is_dir():
            raise UserError(
                f"backbone '{name}' ships with the package, but {folder} is missing: reinstall it"
            )
        return str(folder)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    if name.startswith((".", "~", "/")) or name.count("/") != 1:
        raise UserError(
            f"backbone '{name}' is neither shipped ({', '.join(SHIPPED)}), nor an existing folder, "
            f"nor a hub id such as llava-hf/llava-1.5-7b-hf{nearest(name, SHIPPED)}"
        )
    return name


def content_hash(folder: Path) -> str:
    """Hash names and bytes of all files below ``folder`` that decide its answers: 32 hex digits."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        if path.suffix in _CONTENT_SUFFIXES:
            with path.open("rb") as file:
                inner = hashlib.file_digest(file, "blake2b").hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()}\0{inner}\n".encode())
    return digest.hexdigest()


def _download_config(hub_id: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(hf_hub_download(hub_id, "config.json", revision=revision))
    except (HfHubHTTPError, HFValidationError) as error:
        at = f" at revision '{revision}'" if revision else ""
        raise UserError(f"backbone '{hub_id}' is not on the Hub{at}: {_first_line(error)}") from error
    except OSError as error:
        reason = _first_line(error)
        raise Unreachable(
            f"backbone '{hub_id}' cannot be read (no network, or no such hub id): {reason}"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
