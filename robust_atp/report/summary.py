"""Every estimate of a report as plain data, for programs and for verification."""

import json
from typing import Any

import pandas as pd

from robust_atp.report.analysis import Analysis
from robust_atp.report.verdict import Verdict, verdicts


def summary(analysis: Analysis) -> dict[str, Any]:
    """Headline and tables as JSON types; what is undefined is null."""
    return {
        "headline": [_headline(verdict) for verdict in verdicts(analysis)],
        "tables": {name: _rows(table) for name, table in analysis.tables().items()},
    }


def _headline(verdict: Verdict) -> dict[str, Any]:
    excess = None if verdict.excess is None else _row(verdict.excess)
    return {
        **verdict.population._asdict(),
        "arm": verdict.arm.label,
        "verdict": verdict.word,
        "remark": verdict.remark,
        "accuracy_clean": None if pd.isna(verdict.clean["value"]) else float(verdict.clean["value"]),
        "excess_drop": excess,
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    # By way of JSON, because pandas knows how to write its own numbers there, and nan as null.
    return json.loads(table.to_json(orient="records", double_precision=12))


def _row(row: pd.Series) -> dict[str, Any]:
    return _rows(row.to_frame().T.infer_objects())[0]
