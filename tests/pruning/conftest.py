"""Pruners ready to prune, whether they have to be trained or not."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from robust_atp.backbones.llava import Llava
    from robust_atp.pruning import Method


@pytest.fixture(scope="session")
def ready(tiny_backbone: "Llava", tmp_path_factory: pytest.TempPathFactory) -> "Callable[..., Method]":
    """``ready(name, options)`` on the tiny backbone, or on another one of the same weights."""
    import untrained_weights

    from robust_atp.pruning import build_pruner

    folder = tmp_path_factory.mktemp("weights")
    files = {name: untrained_weights.write(name, tiny_backbone, folder) for name in untrained_weights.WEIGHTS}

    def build(name: str, options: Mapping[str, Any] | None = None, backbone: Any = tiny_backbone) -> "Method":
        own = {"weights": str(files[name])} if name in files else {}
        return build_pruner(name, {**own, **(options or {})}).on(backbone)

    return build
