"""One synthetic study for all tests of analysis, figures and page."""

import pyarrow as pa
import pytest
from synthetic_study import Truth, synthetic_records, write_study

from robust_atp.report.analysis import Analysis, analyse
from robust_atp.sweep.results import Results, open_results


@pytest.fixture(scope="session")
def truth() -> Truth:
    return Truth()


@pytest.fixture(scope="session")
def records(truth: Truth) -> pa.Table:
    return synthetic_records(truth)


@pytest.fixture(scope="session")
def analysis(records: pa.Table) -> Analysis:
    return analyse(records)


@pytest.fixture(scope="session")
def small_study(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Four of the phantom's own scenes, with the hashes that their pixels really have."""
    truth = Truth(half_gap={"phantom-shortcut": 0.20})
    records = synthetic_records(truth, images=4, severities=(5,), real_pictures=True)
    return open_results(write_study(tmp_path_factory.mktemp("study"), records))
