"""A sweep's folder. The file of a unit is the record of its completion: there is no other.

::

    out/study.yaml                  the study with all defaults filled in: runs again as it stands
        identity.json               everything that decides the records
        declaration.json            how they are to be judged, as it was declared before the first of them
        units.json                  every unit of the plan, by its key
        units/<k[:2]>/<key>.parquet the records; footer: the unit, versions, host, time
        failed/<key>.json           why a unit failed, until it succeeds
        logs/                       one per worker process

A file appears under its name complete or not at all, on POSIX file systems: it is written beside its place
under a hidden name, synced and renamed. Two writers of one unit write the same records: either may win.
"""

import json
import os
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from robust_atp.errors import UserError
from robust_atp.sweep.declared import FILE as DECLARATION
from robust_atp.sweep.declared import Declared
from robust_atp.sweep.keys import differences
from robust_atp.sweep.plan import Intervention, Plan, Unit
from robust_atp.sweep.study import Study
from robust_atp.sweep.study_file import study_from_record

# A temporary file that is older than this belongs to a writer that died.
_STALE_SECONDS = 3600
_VERSIONS = ("robust-atp", "torch", "transformers", "numpy", "pillow")


class Store:
    """Where the units of one study are kept. Only a path: cheap to make, safe to send to workers."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def prepare(self, plan: Plan) -> None:
        """Create the folder for ``plan``, or find that it holds the same study.

        ``UserError`` if the folder cannot be written or holds another study; then with all that differs.
        """
        try:
            for name in ("units", "failed", "logs"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            if self._identity.exists():
                self._refuse_another_study(plan)
            self._sweep_leftovers()
            self._declare(plan)
            self._write("units.json", json.dumps({unit.key: _fields(unit) for unit in plan.units}))
            self._write("study.yaml", yaml.safe_dump(plan.study.model_dump(mode="json"), sort_keys=False))
            # Last, because it is what makes the folder a sweep's.
            self._write(self._identity.name, json.dumps(plan.identity, indent=1))
        except OSError as error:
            raise UserError(
                f"output folder {self.folder} cannot be written: {error.strerror or error}"
            ) from None

    def _refuse_another_study(self, plan: Plan) -> None:
        # As it would be read back: tuples become lists.
        identity = json.loads(json.dumps(plan.identity))
        changed = differences(json.loads(self._identity.read_bytes()), identity)
        if changed:
            listing = "\n  ".join(changed)
            raise UserError(f"{self.folder} holds another study; take another --out, or undo:\n  {listing}")

    def _declare(self, plan: Plan) -> None:
        """Record what the study declares, once: whatever a later run says is a deviation."""
        if not (self.folder / DECLARATION).exists():
            declared = Declared.now(plan.study.analysis, len(self.done(plan.units)))
            self._write(DECLARATION, declared.to_json())

    def declared(self) -> Declared | None:
        """What the study declared before it ran; None for folders made before that was recorded."""
        return Declared.read(self.folder)

    def _sweep_leftovers(self) -> None:
        for leftover in (self.folder / "units").glob("*/.*"):
            if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                leftover.unlink(missing_ok=True)

    def study(self) -> Study:
        """The recorded study; ``UserError`` if this is not the folder of a sweep."""
        if not self._identity.exists():
            what = (
                "is not the folder of a study: it has no identity.json"
                if self.folder.exists()
                else "does not exist"
            )
            raise UserError(f"{self.folder} {what}; robust-atp run STUDY.yaml --out {self.folder} makes one")
        return study_from_record(yaml.safe_load((self.folder / "study.yaml").read_bytes()))

    def units(self) -> tuple[Unit, ...]:
        """The units of the recorded plan, in its order."""
        recorded = json.loads((self.folder / "units.json").read_bytes())
        return tuple(_unit(key, fields) for key, fields in recorded.items())

    def path(self, key: str) -> Path:
        """Where the records of a unit are, once it is done."""
        return Path(self.folder, "units", key[:2], f"{key}.parquet")

    def done(self, units: Iterable[Unit]) -> set[str]:
        """Keys of those units whose records are there."""
        # os.walk, because Path objects of ten thousands of files take as long as reading them.
        names = (name for *_, files in os.walk(self.folder / "units") for name in files)
        present = {name.removesuffix(".parquet") for name in names if name.endswith(".parquet")}
        return {unit.key for unit in units} & present

    def publish(self, unit: Unit, records: pa.Table, seconds: float) -> None:
        """Write the records of a unit, whole or not at all. ``UserError`` for a full disk and the like."""
        about = {
            "unit": asdict(unit),
            "versions": {name: version(name) for name in _VERSIONS},
            "host": socket.gethostname(),
            "seconds": round(seconds, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        metadata = {**(records.schema.metadata or {}), b"robust-atp": json.dumps(about).encode()}
        sink = pa.BufferOutputStream()
        pq.write_table(records.replace_schema_metadata(metadata), sink, compression="zstd")
        path = self.path(unit.key)
        try:
            path.parent.mkdir(exist_ok=True)
            publish(path, sink.getvalue().to_pybytes())
            self._failure(unit.key).unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"records cannot be written: {path}: {error.strerror or error}") from error

    def record_failure(self, unit: Unit, reason: str, details: str) -> None:
        """Leave word of a failed unit; the next run tries it again."""
        about = {"unit": asdict(unit), "reason": reason, "details": details}
        publish(self._failure(unit.key), json.dumps(about, indent=1).encode())

    def failures(self, units: Iterable[Unit]) -> dict[str, str]:
        """Reasons of those units that failed, by key, in the order of ``units``."""
        present = {path.stem for path in (self.folder / "failed").glob("[!.]*.json")}
        reasons = {}
        for unit in units:
            if unit.key in present:
                # A sweep that runs meanwhile may just have succeeded with it.
                with suppress(FileNotFoundError):
                    reasons[unit.key] = json.loads(self._failure(unit.key).read_bytes())["reason"]
        return reasons

    @property
    def _identity(self) -> Path:
        return self.folder / "identity.json"

    def _write(self, name: str, text: str) -> None:
        publish(self.folder / name, text.encode())

    def _failure(self, key: str) -> Path:
        return self.folder / "failed" / f"{key}.json"


def _fields(unit: Unit) -> dict[str, Any]:
    return {name: value for name, value in asdict(unit).items() if name != "key"}


def _unit(key: str, fields: dict[str, Any]) -> Unit:
    intervention = Intervention(**fields.pop("intervention"))
    return Unit(key=key, images=tuple(fields.pop("images")), intervention=intervention, **fields)


def publish(path: Path, content: bytes) -> None:
    """Write a file atomically: hidden name in the same folder, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
