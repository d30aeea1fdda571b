"""Each family of tests is corrected as declared, over its members and nobody else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from robust_atp.declaration import ENDPOINTS, Declaration
from robust_atp.report.analysis import Analysis
from robust_atp.report.tables.excess import excess_drop, mean_excess_drop
from robust_atp.report.tables.families import (
    PRIMARY_COLUMNS,
    excess_by_corruption,
    primary_endpoints,
    with_exploratory,
)
from robust_atp.report.tables.noninferiority import noninferiority_table
from robust_atp.report.tables.severity_slope import severity_slope
from robust_atp.stats import benjamini_hochberg, holm


def endpoints(analysis: Analysis, declaration: Declaration) -> pd.DataFrame:
    tables = analysis.mean_excess_drop, analysis.noninferiority, analysis.severity_slope
    return primary_endpoints(*tables, declaration)


def test_every_endpoint_of_the_closed_list_can_be_computed(analysis: Analysis):
    for name in ENDPOINTS:
        found = endpoints(analysis, Declaration.model_validate({"primary": name}))
        assert list(found["endpoint"]) == [name, name]  # of two backbones
        assert found["p"].notna().all()
        assert tuple(found.columns) == PRIMARY_COLUMNS


def test_primary_is_holm_over_endpoints_and_methods_without_controls(analysis: Analysis):
    found = analysis.primary_endpoints
    assert set(found["pruner"]) == {"atp"}
    assert set(found["endpoint"]) == set(Declaration().primary)
    for _, family in found.groupby("backbone"):
        assert len(family) == 3
        np.testing.assert_allclose(family["p_primary"], holm(family["p"]))


def test_verdicts_follow_the_corrected_tests(analysis: Analysis):
    found = analysis.primary_endpoints.set_index(["backbone", "endpoint"])["verdict"]
    assert found["phantom", "mean_excess_drop"] == "costs extra"  # five points are planted
    assert found["phantom", "clean_noninferiority"] == "not shown"
    wide = endpoints(against(analysis, margin=0.5), Declaration(margin=0.5))
    assert set(wide[wide["margin"].notna()]["verdict"]) == {"shown"}
    strict = endpoints(analysis, Declaration(alpha=1e-6))
    assert set(strict["verdict"]) == {"no difference detected", "not shown"}


def against(analysis: Analysis, margin: float) -> Analysis:
    """The same losses against another margin."""
    loss = analysis.noninferiority.copy()
    loss["margin"] = margin
    loss["p_noninferior"] = t.cdf((loss["value"] - margin) / loss["se"], loss["images"] - 1)
    return replace(analysis, noninferiority=loss)


def test_intervals_belong_to_their_tests(analysis: Analysis):
    declaration = Declaration(alpha=0.01, primary=("mean_excess_drop", "mean_excess_noninferiority"))
    found = endpoints(analysis, declaration)
    for row in found.to_dict("records"):
        if row["endpoint"] == "mean_excess_drop":
            assert (row["lo"] > 0 or row["hi"] < 0) == (row["p"] < 0.01)
        else:
            assert (row["hi"] < row["margin"]) == (row["p"] < 0.01)


def test_secondary_family_is_jointly_corrected(records):
    for correction in ("maxt", "holm"):
        found = excess_by_corruption(records, Declaration.model_validate({"secondary": correction}))
        assert set(found["correction"]) == {correction}
        assert found[found["pruner"] == "random"]["p_secondary"].isna().all()
        methods = found[(found["pruner"] == "atp") & (found["backbone"] == "phantom")]
        fog, noise = methods.set_index("intervention").loc[["fog", "gaussian_noise"], "p_secondary"]
        assert fog < 0.01 < 0.2 < noise  # ten points are planted under fog, none under noise
    np.testing.assert_allclose(methods["p_secondary"], holm(methods["p"]))


def test_a_corruption_is_the_mean_of_its_severities(analysis: Analysis):
    by_corruption = analysis.excess_by_corruption.set_index(["backbone", "pruner", "intervention"])["value"]
    cells = analysis.excess_drop.groupby(["backbone", "pruner", "intervention"])["value"].mean()
    np.testing.assert_allclose(by_corruption, cells.loc[by_corruption.index], atol=1e-12)


def test_exploratory_is_benjamini_hochberg_over_all_cells_of_methods(records):
    found = with_exploratory(excess_drop(records))
    assert found[found["pruner"] == "random"]["p_exploratory"].isna().all()
    for _, family in found[found["pruner"] == "atp"].groupby("backbone"):
        np.testing.assert_allclose(family["p_exploratory"], benjamini_hochberg(family["p"]))


@pytest.mark.parametrize("rows", ["nothing", "clean only", "unpruned only"])
def test_studies_without_families(records, rows: str):
    frame = records.to_pandas()
    kept = {
        "nothing": frame[:0],
        "clean only": frame[frame["severity"] == 0],
        "unpruned only": frame[frame["pruner"] == "none"],
    }[rows]
    tables = mean_excess_drop(kept), noninferiority_table(kept), severity_slope(kept)
    found = primary_endpoints(*tables)
    assert set(found["endpoint"]) == ({"clean_noninferiority"} if rows == "clean only" else set())
    assert excess_by_corruption(kept).empty
    assert with_exploratory(excess_drop(kept)).empty
