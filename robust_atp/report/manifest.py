"""What makes a result citable: content hashes of its records and files, and everything they depend on."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from robust_atp.errors import UserError

MANIFEST = "manifest.json"


def result_id(identity: Mapping[str, Any], digest: str) -> str:
    """Short name of a result: the hash of what decides the records and of the records themselves."""
    content = json.dumps([identity, digest], sort_keys=True, separators=(",", ":"))
    return f"ra-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def manifest(
    *,
    study: str,
    identity: Mapping[str, Any],
    digest: str,
    files: str,
    scale: Mapping[str, int],
    finished: str,
    environment: Mapping[str, Any],
    analysis: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything about a report but its files, which are added once they are written."""
    return {
        "schema_version": 1,
        "result_id": result_id(identity, digest),
        "study": study,
        "tool": {"name": "robust-atp", "version": version("robust-atp")},
        "identity": dict(identity),
        "records": {"digest": digest, "files": files, **scale},
        "finished": finished,
        "environment": dict(environment),
        "analysis": dict(analysis),
    }


def hashes(folder: Path, paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Name, size and SHA-256 of files, in the order of their names relative to ``folder``."""
    return [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(paths)
    ]


def content_hash(folder: Path, paths: Iterable[Path]) -> str:
    """SHA-256 of the names of files, relative to ``folder``, and of every byte in them."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{content}  {path.relative_to(folder).as_posix()}\n".encode())
    return whole.hexdigest()


def read_manifest(report: Path) -> dict[str, Any]:
    """The manifest of a report; ``UserError`` if there is none."""
    try:
        return json.loads((report / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise UserError(f"{report} is not the folder of a report: it has no {MANIFEST}") from None
