"""Does a report still agree with its files and with the records it came from?"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_atp.declaration import Declaration
from robust_atp.errors import UserError
from robust_atp.report.analysis import analyse
from robust_atp.report.facts import records_digest
from robust_atp.report.manifest import content_hash, hashes, read_manifest, result_id
from robust_atp.report.summary import summary

if TYPE_CHECKING:
    from robust_atp.sweep.results import Results

# Another machine may sum in another order; a number that anybody changed differs by more.
_TOLERANCE = 1e-9


def differences(results: "Results", report: Path) -> list[str]:
    """Recompute hashes and headline numbers; return every difference in words, none if all agrees.

    ``UserError`` if ``report`` is not the folder of a report.
    """
    manifest = read_manifest(report)
    found = [*_changed_files(report, manifest), *_changed_bytes(results, manifest)]
    try:
        with results.at_hand() as near:
            found += [*_changed_records(near, manifest), *_changed_numbers(near, report, manifest)]
    except UserError as error:
        found.append(str(error))
    return found


def _changed_files(report: Path, manifest: dict[str, Any]) -> Iterator[str]:
    for entry in manifest["files"]:
        path = report / entry["path"]
        if not path.is_file():
            yield f"{entry['path']}: missing"
        elif hashes(report, [path])[0]["sha256"] != entry["sha256"]:
            yield f"{entry['path']}: its content has changed"


def _changed_bytes(results: "Results", manifest: dict[str, Any]) -> Iterator[str]:
    # Wall times and footers are no part of the records' digest, but somebody may have touched them all the same.
    recorded = manifest["records"].get("files")
    if recorded is None:
        yield "manifest.json: a report of an older version, without records.files: make it again to verify the bytes"
    elif recorded != content_hash(results.folder, results.files()):
        yield "units: the bytes of the record files have changed since the report was made"


def _changed_records(results: "Results", manifest: dict[str, Any]) -> Iterator[str]:
    recorded, found = manifest["records"]["digest"], records_digest(results)
    if found != recorded:
        yield f"records: digest {found}, the report was made from {recorded}"
    if result_id(manifest["identity"], recorded) != manifest["result_id"]:
        yield f"manifest.json: {manifest['result_id']} is not the hash of its study and records"


def _changed_numbers(results: "Results", report: Path, manifest: dict[str, Any]) -> Iterator[str]:
    path = report / "summary.json"
    if path.is_file():
        declaration = Declaration.model_validate(manifest["analysis"]["declaration"]["used"])
        stated, found = json.loads(path.read_bytes()), summary(analyse(results, declaration))
        yield from _unequal("summary.json headline", stated["headline"], found["headline"])
        yield from _unequal(
            "summary.json primary_endpoints",
            stated["tables"]["primary_endpoints"],
            found["tables"]["primary_endpoints"],
        )


def _unequal(place: str, stated: Any, found: Any) -> Iterator[str]:
    if isinstance(stated, dict) and isinstance(found, dict) and stated.keys() == found.keys():
        for key in stated:
            yield from _unequal(f"{place}.{key}", stated[key], found[key])
    elif isinstance(stated, list) and isinstance(found, list) and len(stated) == len(found):
        for i, pair in enumerate(zip(stated, found, strict=True)):
            yield from _unequal(f"{place}[{i}]", *pair)
    elif not _same(stated, found):
        yield f"{place}: {stated} in the report, {found} from the records"


def _same(stated: Any, found: Any) -> bool:
    if isinstance(stated, float) and isinstance(found, float):
        return math.isclose(stated, found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return stated == found
