"""RO-Crate metadata: a report as a research object that archives and catalogues can read."""

import json
import mimetypes
from collections.abc import Mapping
from typing import Any

CRATE = "ro-crate-metadata.json"
_PROFILE = "https://w3id.org/ro/crate/1.1"


def ro_crate(manifest: Mapping[str, Any]) -> str:
    """RO-Crate 1.1 (JSON-LD): the folder, each of its files with size and SHA-256, and the act that made them.

    Its date is that of the last record, so that equal records give equal files. Identifiers are relative: the
    folder can be moved or zipped.
    """
    created = manifest["finished"]
    files = [_file(entry) for entry in manifest["files"]]
    parts = [{"@id": entry["@id"]} for entry in files]
    tool = manifest["tool"]
    software = {
        "@id": "#tool",
        "@type": "SoftwareApplication",
        "name": tool["name"],
        "softwareVersion": tool["version"],
    }
    act = {
        "@id": "#analysis",
        "@type": "CreateAction",
        "name": f"report on study {manifest['study']}",
        "instrument": {"@id": "#tool"},
        "result": parts,
        "endTime": created,
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Robustness of visual-token pruning: study {manifest['study']}",
        "description": f"{manifest['records']['answers']} recorded answers, analysed with clustering by image.",
        "identifier": manifest["result_id"],
        "datePublished": created,
        "hasPart": parts,
        "mentions": {"@id": "#analysis"},
    }
    about = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _PROFILE},
        "about": {"@id": "./"},
    }
    graph = [about, root, *files, software, act]
    return json.dumps({"@context": f"{_PROFILE}/context", "@graph": graph}, indent=1) + "\n"


def _file(entry: Mapping[str, Any]) -> dict[str, Any]:
    kind = mimetypes.guess_type(entry["path"])[0] or "application/octet-stream"
    return {
        "@id": entry["path"],
        "@type": "File",
        "contentSize": str(entry["bytes"]),
        "sha256": entry["sha256"],
        "encodingFormat": kind,
    }
