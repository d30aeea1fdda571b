"""Reading model and processor of a checkpoint, with everything that can be wrong turned into one clear error."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer, PreTrainedModel
from transformers.quantizers.auto import AutoQuantizationConfig

from robust_atp.backbones.loading import BackboneSpec
from robust_atp.errors import UserError


def load_model(kind: type[PreTrainedModel], source: str, spec: BackboneSpec) -> Any:
    """Load weights for evaluation, on SDPA attention, where and as ``spec`` says."""
    options: dict[str, Any] = {}
    if spec.device_map is not None:
        options["device_map"] = spec.device_map
    if spec.quantization is not None:
        options["quantization_config"] = _quantization(spec)
        # Quantised weights cannot be moved afterwards.
        options.setdefault("device_map", {"": spec.device})
    with _readable(spec):
        model: Any = kind.from_pretrained(
            source,
            revision=_revision(source, spec),
            dtype=getattr(torch, spec.dtype),
            attn_implementation="sdpa",
            trust_remote_code=False,
            **options,
        )
    model.eval()
    return model if "device_map" in options else model.to(spec.device)


def load_processor(source: str, spec: BackboneSpec) -> Any:
    """Load image processor and tokenizer in one."""
    return _load(AutoProcessor, source, spec)


def load_image_processor(source: str, spec: BackboneSpec) -> Any:
    """Load the image processor alone: a model for videos too would ask for packages that only these need."""
    return _load(AutoImageProcessor, source, spec)


def load_tokenizer(source: str, spec: BackboneSpec) -> Any:
    """Load the tokenizer alone."""
    return _load(AutoTokenizer, source, spec)


def _load(kind: Any, source: str, spec: BackboneSpec) -> Any:
    with _readable(spec):
        return kind.from_pretrained(source, revision=_revision(source, spec), trust_remote_code=False)


def _revision(source: str, spec: BackboneSpec) -> str:
    return "main" if Path(source).is_dir() else spec.revision or "main"


def _quantization(spec: BackboneSpec) -> Any:
    try:
        return AutoQuantizationConfig.from_dict(dict(spec.quantization or {}))
    except (ValueError, TypeError, KeyError, AssertionError) as error:
        raise UserError(
            f"backbone '{spec.id}': quantization is not what transformers takes: {error}"
        ) from error


@contextmanager
def _readable(spec: BackboneSpec) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"backbone '{spec.id}' cannot be read: {str(error).splitlines()[0]}") from error
    except ImportError as error:
        raise UserError(f"backbone '{spec.id}' cannot be loaded: {str(error).strip()}") from error
