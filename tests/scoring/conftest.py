"""Golden cases that hold other people's records are read from a folder of one's own, if there is one."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def third_party_golden() -> Callable[[str], Any]:
    """Read ``<name>.json`` of the folder that ``ROBUST_ATP_GOLDEN`` names, or skip."""

    def read(name: str) -> Any:
        folder = os.environ.get("ROBUST_ATP_GOLDEN")
        if folder is None:
            pytest.skip(
                "ROBUST_ATP_GOLDEN names no folder with golden cases made of COCO captions and GQA records"
            )
        return json.loads((Path(folder) / f"{name}.json").read_text(encoding="utf-8"))

    return read
