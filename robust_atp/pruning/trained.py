"""A method's own weights for one backbone: trained for it and for no other, shipped for the phantoms."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from robust_atp.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from robust_atp.backbones.seam import Backbone

# One key, because safetensors writes several in an order that differs from run to run, and the hash with it.
_METADATA = "robust_atp"
_TRAINING = "experiments/train_pruner.py trains them, the option weights names the file"


@dataclass(frozen=True)
class OwnWeights:
    """Tensors by name, and what they were trained for and how.

    ``backbone`` and ``revision`` are those of ``Backbone``; ``facts`` holds anything JSON can about the training.
    """

    method: str
    backbone: str
    revision: str
    tensors: Mapping[str, "Tensor"]
    facts: Mapping[str, object]


def weights_path(method: str, backbone: str, file: str = "") -> Path:
    """Where the weights of ``method`` for the backbone of that name are, or would be: ``file`` if one is given.

    The shipped ones stand beside the folders of the backbones and not in them, for what is in a backbone's
    folder decides its revision.
    """
    if file:
        return Path(file).expanduser()
    return _shipped() / method / f"{backbone}.safetensors"


def weights_hash(method: str, backbone: str, file: object = "") -> str | None:
    """Content hash of the weights, 32 hex digits; None if there are none, as for every method without training.

    Part of what identifies a record: an arm keeps its name when its weights are trained anew.
    """
    path = weights_path(method, backbone, file if isinstance(file, str) else "")
    if not path.is_file():
        return None
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def load_weights(method: str, backbone: "Backbone", file: str = "") -> OwnWeights:
    """Read the weights of ``method`` for ``backbone``.

    ``UserError`` if there are none, or if they are those of another method or of another revision.
    """
    path = weights_path(method, backbone.name, file)
    if not path.is_file():
        raise UserError(_missing(method, backbone.name, path, file))
    try:
        with safe_open(path, "pt") as content:
            about = json.loads((content.metadata() or {}).get(_METADATA, "{}"))
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118, no mapping
    except (SafetensorError, ValueError) as error:
        raise UserError(f"weights {path} cannot be read: {error}") from error
    if about.get("method") != method:
        raise UserError(f"weights {path} are those of {about.get('method', 'no method')}, not of {method}")
    if about["revision"] != backbone.revision:
        raise UserError(
            f"weights {path} were trained on backbone '{about['backbone']}' at revision {about['revision']}; "
            f"'{backbone.name}' is at {backbone.revision}: {_TRAINING}"
        )
    return OwnWeights(method, about["backbone"], about["revision"], tensors, about["facts"])


def save_weights(weights: OwnWeights, path: Path) -> None:
    """Write the file that ``load_weights`` reads; equal weights give equal bytes."""
    from safetensors.torch import save_file

    about = {
        "method": weights.method,
        "backbone": weights.backbone,
        "revision": weights.revision,
        "facts": dict(weights.facts),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(weights.tensors), path, {_METADATA: json.dumps(about, sort_keys=True)})


def _missing(method: str, backbone: str, path: Path, file: str) -> str:
    if file:
        return f"weights of {method}: {path} is not a file"
    shipped = ", ".join(sorted(found.stem for found in (_shipped() / method).glob("*.safetensors"))) or "none"
    return (
        f"pruner '{method}' is trained for each backbone anew and has no weights for '{backbone}'; "
        f"shipped for: {shipped}; {_TRAINING}"
    )


def _shipped() -> Path:
    return Path(str(files("robust_atp.phantom"))) / "weights" / "pruners"
