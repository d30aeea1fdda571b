"""Optional packages that a way of loading needs."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from robust_atp.errors import UserError

# What transformers needs for a quantisation method, beside itself.
_PACKAGES = {"bitsandbytes": ("bitsandbytes", "accelerate"), "torchao": ("torchao",)}


def quantization_method(quantization: Mapping[str, Any]) -> str:
    """Name of a quantisation's method; as in transformers, ``load_in_4bit`` and ``load_in_8bit`` imply one."""
    implied = quantization.get("load_in_4bit") or quantization.get("load_in_8bit")
    return str(quantization.get("quant_method", "bitsandbytes" if implied else "none"))


def check_packages(
    backbone: str,
    device_map: str | Mapping[str, Any] | None,
    quantization: Mapping[str, Any] | None,
    config: Mapping[str, Any],
) -> None:
    """Raise ``UserError`` naming a package that loading would need and that is not installed."""
    needed = {"accelerate": "device_map"} if device_map is not None else {}
    chosen = quantization or config.get("quantization_config")
    if chosen:
        method = quantization_method(chosen)
        needed |= dict.fromkeys(_PACKAGES.get(method, ()), f"quantization by {method}")
    for package, why in needed.items():
        if find_spec(package) is None:
            raise UserError(
                f"backbone '{backbone}': {why} needs the package {package}: pip install {package}"
            )
