"""From the name in a study file to a loaded backbone."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from robust_atp.backbones.quiet import without_progress_bars
from robust_atp.errors import UserError, nearest
from robust_atp.registry import Registry
from robust_atp.tasks import SHORT_ANSWER

if TYPE_CHECKING:
    from robust_atp.backbones.seam import Backbone

SHIPPED = ("phantom", "phantom-shortcut")
DTYPES = ("float32", "bfloat16", "float16")

# Files that decide what a checkpoint answers; a model card does not.
_CONTENT_SUFFIXES = {".safetensors", ".bin", ".json", ".jinja", ".txt", ".model"}


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone to load, and how.

    ``id`` is a shipped name (``phantom``), a hub id (``llava-hf/llava-1.5-7b-hf``) or a local folder.
    ``clip`` names the CLIP model whose text tower and projections match the vision tower; by default the
    checkpoint's own ``clip`` folder, or the published one for LLaVA-1.5. ``prompt`` is a
    template that holds ``<image>`` and ``{question}``. ``prompt`` and ``max_new_tokens`` default to what the
    checkpoint brings along in ``robust_atp.json``, then to what the family has for ``task`` (short answer or
    caption): LLaVA-1.5's prompt, with or without the request for a single word, and 16 or 64 tokens.
    """

    id: str
    revision: str | None = None
    dtype: str = "float32"
    device: str = "cpu"
    clip: str | None = None
    prompt: str | None = None
    max_new_tokens: int | None = None
    task: str = SHORT_ANSWER


# A family is loaded by ``family(source, spec, revision)``, source being a folder or hub id.
Family = Callable[[str, BackboneSpec, str], "Backbone"]
FAMILIES: Registry[Family] = Registry("backbone model_type", {"llava": "robust_atp.backbones.llava:Llava"})


def load_backbone(spec: BackboneSpec) -> "Backbone":
    """Load the backbone behind ``spec``, choosing its family by the checkpoint's ``model_type``.

    ``UserError`` for a missing folder, an unreachable hub id, an unsupported model type or dtype.
    """
    if spec.dtype not in DTYPES:
        raise UserError(
            f"dtype '{spec.dtype}' is not one of: {', '.join(DTYPES)}{nearest(spec.dtype, DTYPES)}"
        )
    source = find_source(spec.id)
    config = _read_config(source, spec)
    model_type = config.get("model_type", "none")
    if model_type not in FAMILIES.names():
        raise UserError(
            f"backbone '{spec.id}' has model_type '{model_type}'; supported: {', '.join(FAMILIES.names())}"
        )
    revision = (
        content_hash(Path(source)) if Path(source).is_dir() else config.get("_commit_hash", spec.revision)
    )
    with without_progress_bars():
        return FAMILIES.get(model_type)(source, spec, str(revision))


def find_source(name: str) -> str:
    """Folder or hub id behind a backbone's name; ``UserError`` if it can be neither."""
    if name in SHIPPED:
        folder = Path(str(files("robust_atp.phantom"))) / "weights" / name
        if not folder.is_dir():
            raise UserError(
                f"backbone '{name}' ships with the package, but {folder} is missing: reinstall it"
            )
        return str(folder)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder)
    if name.startswith((".", "~", "/")) or name.count("/") != 1:
        raise UserError(
            f"backbone '{name}' is neither shipped ({', '.join(SHIPPED)}), nor an existing folder, "
            f"nor a hub id such as llava-hf/llava-1.5-7b-hf{nearest(name, SHIPPED)}"
        )
    return name


def content_hash(folder: Path) -> str:
    """Hash names and bytes of all files below ``folder`` that decide its answers: 32 hex digits."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(folder.rglob("*")):
        if path.suffix in _CONTENT_SUFFIXES:
            with path.open("rb") as file:
                inner = hashlib.file_digest(file, "blake2b").hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()}\0{inner}\n".encode())
    return digest.hexdigest()


def _read_config(source: str, spec: BackboneSpec) -> dict:
    from transformers import PretrainedConfig

    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise UserError(f"backbone '{spec.id}': folder {source} holds no config.json")
    try:
        config, _ = PretrainedConfig.get_config_dict(source, revision=spec.revision)
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"backbone '{spec.id}' cannot be read (no network, or no such hub id): {reason}"
        ) from error
    return config
