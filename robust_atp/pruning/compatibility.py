"""Which pruner runs on which backbone, and why not."""

from collections.abc import Iterable, Sequence

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.errors import UserError
from robust_atp.pruning.building import PRUNERS, build_pruner
from robust_atp.pruning.method import Method
from robust_atp.pruning.trained import check_weights


def refusal(method: Method, backbone: Capabilities, weights: object = "") -> str | None:
    """Why a method cannot run on a backbone; None if it can.

    A trained method is refused without weights for the backbone; ``weights`` is the file that its option names.
    """
    try:
        method.check(backbone)
        if method.trained:
            check_weights(method.name, backbone.name, weights)
    except UserError as error:
        return str(error)
    return None


def compatibility(
    backbones: Iterable[Capabilities], pruners: Sequence[str] | None = None
) -> dict[str, dict[str, str | None]]:
    """Table by backbone and pruner, each with its default options: None where it runs, else the refusal.

    ``pruners`` are names, by default all registered ones.
    """
    methods = {name: build_pruner(name) for name in (PRUNERS.names() if pruners is None else pruners)}
    return {
        backbone.name: {name: refusal(method, backbone) for name, method in methods.items()}
        for backbone in backbones
    }
