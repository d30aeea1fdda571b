"""How a result is cited."""

from collections.abc import Mapping
from typing import Any

import yaml


def cff(manifest: Mapping[str, Any]) -> str:
    """CITATION.cff (1.2.0) of a result: the version is the hash of its content."""
    return yaml.safe_dump(
        {
            "cff-version": "1.2.0",
            "message": "If you use this result, please cite it with its identifier.",
            "type": "dataset",
            "title": _title(manifest),
            "authors": [{"name": "robust-atp contributors"}],
            "version": manifest["result_id"],
        },
        sort_keys=False,
        allow_unicode=True,
    )


def bibtex(manifest: Mapping[str, Any]) -> str:
    """BibTeX entry of a result."""
    tool = manifest["tool"]
    return (
        f"@misc{{{manifest['result_id'].replace('-', '_')},\n"
        f"  title  = {{{{{_title(manifest)}}}}},\n"
        f"  author = {{{{robust-atp contributors}}}},\n"
        f"  note   = {{Result {manifest['result_id']}, {tool['name']} {tool['version']}}}\n"
        "}"
    )


def plain(manifest: Mapping[str, Any]) -> str:
    """One line for a footnote."""
    tool = manifest["tool"]
    return f"{_title(manifest)}. Result {manifest['result_id']}, {tool['name']} {tool['version']}."


def _title(manifest: Mapping[str, Any]) -> str:
    return f"Robustness of visual-token pruning: study {manifest['study']}"
