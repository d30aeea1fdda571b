"""Fixtures that several parts share. Heavy imports stay inside, so that light tests start fast."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from robust_atp.backbones.llava import Llava


@pytest.fixture(scope="session")
def tiny_llava_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A microscopic LLaVA checkpoint: 56 px images, 16 visual tokens, CLIP in ``clip/``."""
    from tiny_llava import tiny_llava

    return tiny_llava(tmp_path_factory.mktemp("tiny_llava"))


@pytest.fixture(scope="session")
def tiny_blip2_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Microscopic BLIP-2 checkpoints, by kind of language model: 56 px images, 16 patches, 6 queries."""
    from tiny_blip2 import LANGUAGES, tiny_blip2

    return {
        name: tiny_blip2(tmp_path_factory.mktemp(f"tiny_blip2_{name}"), language())
        for name, language in LANGUAGES.items()
    }


@pytest.fixture(scope="session")
def tiny_backbone(tiny_llava_folder: Path) -> "Llava":
    """That checkpoint, loaded through ``load_backbone`` in float32 on the CPU."""
    from robust_atp.backbones import BackboneSpec, load_backbone
    from robust_atp.backbones.llava import Llava

    backbone = load_backbone(BackboneSpec(str(tiny_llava_folder)))
    assert isinstance(backbone, Llava)
    return backbone
