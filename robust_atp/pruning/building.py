"""From a pruner's name and options, as a study file gives them, to a method."""

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from robust_atp.errors import UserError, nearest
from robust_atp.registry import Registry

if TYPE_CHECKING:
    from robust_atp.pruning.method import Method

# A pruner is a function with keyword options, all of which have a default, that returns a Method.
PRUNERS: Registry[Callable[..., "Method"]] = Registry(
    "pruner",
    {
        "none": "robust_atp.pruning.methods.none:none",
        "random": "robust_atp.pruning.methods.random:random",
        "uniform-grid": "robust_atp.pruning.methods.uniform_grid:uniform_grid",
        "cls-attention": "robust_atp.pruning.methods.cls_attention:cls_attention",
        "atp": "robust_atp.pruning.methods.atp:atp",
        "downsample": "robust_atp.pruning.methods.downsample:downsample",
        "resize": "robust_atp.pruning.methods.resize:resize",
        "centre-crop": "robust_atp.pruning.methods.centre_crop:centre_crop",
        "fastervlm": "robust_atp.pruning.methods.fastervlm:fastervlm",
        "vispruner": "robust_atp.pruning.methods.vispruner:vispruner",
        "visionzip": "robust_atp.pruning.methods.visionzip:visionzip",
        "prumerge": "robust_atp.pruning.methods.prumerge:prumerge",
        "prumerge-plus": "robust_atp.pruning.methods.prumerge_plus:prumerge_plus",
        "divprune": "robust_atp.pruning.methods.divprune:divprune",
        "cdpruner": "robust_atp.pruning.methods.cdpruner:cdpruner",
        "hiprune": "robust_atp.pruning.methods.hiprune:hiprune",
        "tome": "robust_atp.pruning.methods.tome:tome",
        "e-adaprune": "robust_atp.pruning.methods.e_adaprune:e_adaprune",
        "fastv": "robust_atp.pruning.methods.fastv:fastv",
        "pyramiddrop": "robust_atp.pruning.methods.pyramiddrop:pyramiddrop",
        "sparsevlm": "robust_atp.pruning.methods.sparsevlm:sparsevlm",
        "adaptinfer": "robust_atp.pruning.methods.adaptinfer:adaptinfer",
        "transprune": "robust_atp.pruning.methods.transprune:transprune",
        "dart": "robust_atp.pruning.methods.dart:dart",
        "atp-llava": "robust_atp.pruning.methods.atp_llava:atp_llava",
        "heatvit": "robust_atp.pruning.methods.heatvit:heatvit",
        "heatvit-free": "robust_atp.pruning.methods.heatvit:heatvit_free",
    },
)


def build_pruner(name: str, options: Mapping[str, Any] | None = None) -> "Method":
    """Build the registered pruner ``name``; ``UserError`` for an unknown name, option or value."""
    build = PRUNERS.get(name)
    options = _checked(name, build, options)
    return build(**options)


def named(what: str, entry: Any) -> tuple[str, dict[str, Any]]:
    """Name and options of a pruner as a study names it, ``atp`` or ``{name: atp, alpha: 0.25}``.

    ``UserError`` that calls it ``what`` for anything else.
    """
    if isinstance(entry, str):
        return entry, {}
    if not isinstance(entry, Mapping) or "name" not in entry:
        raise UserError(
            f"{what} must be a pruner's name or a mapping with its name and options; got {entry!r}"
        )
    return entry["name"], {option: value for option, value in entry.items() if option != "name"}


def label(name: str, options: Mapping[str, Any] | None = None) -> str:
    """Name an arm by its pruner and the options that differ from their defaults: ``atp(alpha=0.25)``."""
    build = PRUNERS.get(name)
    options = _checked(name, build, options)
    changed = [
        f"{option}={_short(options[option])}"
        for option, parameter in inspect.signature(build).parameters.items()
        if option in options and options[option] != parameter.default
    ]
    return f"{name}({', '.join(changed)})" if changed else name


def _short(value: Any) -> str:
    """Write 1 and 1.0 alike: they are the same arm."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _checked(name: str, build: Callable[..., "Method"], options: Mapping[str, Any] | None) -> dict[str, Any]:
    allowed = inspect.signature(build).parameters
    for option in options or {}:
        if option not in allowed:
            known = ", ".join(allowed) or "none"
            raise UserError(
                f"pruner '{name}' has no option '{option}'; it has: {known}{nearest(option, allowed)}"
            )
    return dict(options or {})
