"""From the name in a study file to what a backbone can do, and to the loaded backbone."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from robust_atp.backbones.checkpoint import Checkpoint, find_checkpoint
from robust_atp.backbones.packages import check_packages
from robust_atp.backbones.quiet import without_progress_bars
from robust_atp.errors import UserError, nearest, unknown
from robust_atp.registry import Registry

if TYPE_CHECKING:
    from robust_atp.backbones.capabilities import Capabilities
    from robust_atp.backbones.seam import Backbone

DTYPES = ("float32", "bfloat16", "float16")

T = TypeVar("T")


@dataclass(frozen=True)
class BackboneSpec:
    """Which backbone to load, and how.

    - ``id``: a shipped name (``phantom``), a hub id (``llava-hf/llava-1.5-7b-hf``) or a local folder.
    - ``revision``: branch, tag or commit of a hub id.
    - ``dtype``, ``device``; or ``device_map``, which spreads the weights as ``from_pretrained`` says.
    - ``quantization``: a ``quantization_config`` as transformers writes it into ``config.json``, passed through.
    - ``clip``: the CLIP model whose text tower and projections match the vision tower; by default the
      checkpoint's own ``clip`` folder, or the published one for LLaVA-1.5.
    - ``prompt``: a template that holds ``<image>`` and ``{question}``, or one for each task by its name, ``short
      answer`` or ``caption``. It and ``max_new_tokens`` default to what the checkpoint brings along in
      ``robust_atp.json``, then to what the family asks with: 16 tokens for a short answer, 64 for a caption.
    - ``options``: what only this family of backbones has, e.g. ``{"preprocessing": "pad"}``; see its class.

    Code that comes with a checkpoint is never run (``trust_remote_code`` is off).
    """

    id: str
    revision: str | None = None
    dtype: str = "float32"
    device: str = "cpu"
    device_map: str | Mapping[str, Any] | None = None
    quantization: Mapping[str, Any] | None = None
    clip: str | None = None
    prompt: str | Mapping[str, str] | None = None
    max_new_tokens: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


class Family(Protocol):
    """A class of backbones that share a ``model_type``."""

    def __call__(self, source: str, spec: BackboneSpec, revision: str) -> "Backbone":
        """Load the checkpoint in folder or hub id ``source``; ``revision`` is its commit or content hash."""

    def capabilities_of(self, source: str, spec: BackboneSpec, config: Mapping[str, Any]) -> "Capabilities":
        """Say what the checkpoint will offer, from its ``config.json``: no weights are loaded.

        ``UserError`` if it cannot be used at all, or ``spec`` asks for what it does not have.
        """


FAMILIES: Registry[Family] = Registry(
    "backbone model_type",
    {
        "blip-2": "robust_atp.backbones.blip2:Blip2",
        "idefics": "robust_atp.backbones.flamingo:Flamingo",
        "llava": "robust_atp.backbones.llava:Llava",
        "llava_next": "robust_atp.backbones.llava_next:LlavaNext",
        "qwen2_5_vl": "robust_atp.backbones.qwen2_5_vl:Qwen2_5_VL",
    },
)


def load_backbone(spec: BackboneSpec) -> "Backbone":
    """Load the backbone behind ``spec``, choosing its family by the checkpoint's ``model_type``.

    ``UserError`` for a missing folder, an unreachable hub id, an unsupported model type or dtype, or a
    package that is not installed.
    """
    checkpoint = find_checkpoint(spec.id, spec.revision)
    family = _family(spec, checkpoint)
    with without_progress_bars():
        return family(checkpoint.source, _pinned(spec, checkpoint), checkpoint.revision)


def capabilities(spec: BackboneSpec, checkpoint: Checkpoint) -> "Capabilities":
    """Say what the backbone behind ``spec`` will offer. Loads no weights; the same errors as ``load_backbone``."""
    return _family(spec, checkpoint).capabilities_of(checkpoint.source, spec, checkpoint.config)


def family_options(spec: BackboneSpec, kind: type[T]) -> T:
    """Build the dataclass ``kind`` of a family's own options from ``spec``; ``UserError`` for an unknown one."""
    allowed = [option.name for option in fields(kind)]  # type: ignore[arg-type]  # "a dataclass" has no type
    for option in spec.options:
        if option not in allowed:
            known = ", ".join(allowed) or "none"
            raise UserError(
                f"backbone '{spec.id}' has no option '{option}'; it has: {known}{nearest(option, allowed)}"
            )
    return kind(**spec.options)


def _family(spec: BackboneSpec, checkpoint: Checkpoint) -> Family:
    if spec.dtype not in DTYPES:
        raise unknown("dtype", spec.dtype, DTYPES)
    check_packages(spec.id, spec.device_map, spec.quantization, checkpoint.config)
    model_type = checkpoint.config.get("model_type", "none")
    if model_type in FAMILIES.names():
        return FAMILIES.get(model_type)
    own_code = ", and code that comes with a checkpoint (auto_map) is never run"
    raise UserError(
        f"backbone '{spec.id}' has model_type '{model_type}'; supported: {', '.join(FAMILIES.names())}"
        f"{own_code if 'auto_map' in checkpoint.config else ''}"
    )


def _pinned(spec: BackboneSpec, checkpoint: Checkpoint) -> BackboneSpec:
    """Load the very commit that was found: a branch may move before its weights are read."""
    is_folder = Path(checkpoint.source).is_dir()
    return spec if is_folder else replace(spec, revision=checkpoint.revision)
