"""Records of a few answers, for oracles that loop over them."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from robust_atp.probes.probe import PROBES
from robust_atp.records import SCHEMA

ARMS = ("none", "random", "atp")

_FIXED: dict[str, Any] = {
    "backbone": "phantom", "dataset": "made up", "split": "test", "question_type": "kind", "answer_type": "other",
    "group": "{}", "intervention": "clean", "severity": 0, "noise_seed": 0, "position_policy": "original",
    "yes_no_margin": np.nan, "first_token_logprob": np.nan,
}  # fmt: skip


def answered(
    questions: Iterable[dict[str, Any]], answer: Callable[[str, dict[str, Any]], dict[str, Any]]
) -> pa.Table:
    """Records of every arm's answers: ``answer(arm, question)`` holds what the arm makes of it."""
    rows = [
        _FIXED | {"pruner": arm, "keep": 1.0 if arm == "none" else 0.25} | question | answer(arm, question)
        for arm, question in product(ARMS, questions)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def values(name: str, records: pa.Table | pd.DataFrame, column: str = "value") -> pd.Series:
    """One column of a probe's table by split, arm and quantity."""
    table = PROBES.get(name).run(records)
    assert not table.duplicated(["split", "pruner", "quantity"]).any()
    return table.set_index(["split", "pruner", "quantity"])[column]
