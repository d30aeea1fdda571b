from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def hub_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ``datasets`` makes of Parquet files goes to a folder of the test's own."""
    import datasets

    folder = tmp_path_factory.mktemp("hub_cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder
