"""Arms that cannot run are refused before anything does."""

from collections.abc import Mapping
from dataclasses import replace

from robust_atp.backbones.capabilities import Capabilities
from robust_atp.errors import UserError
from robust_atp.sweep.plan import arms
from robust_atp.sweep.study import Study


def refuse_impossible_arms(study: Study, backbones: Mapping[str, Capabilities]) -> None:
    """Raise one ``UserError`` with everything that a study asks of its backbones and that they cannot do."""
    # Pruning methods import torch; reading a study must not.
    from robust_atp.pruning.compatibility import refusal
    from robust_atp.sweep.methods import method_of

    wanted = {(arm.pruner, str(arm.options)): arm for arm in arms(study)}.values()
    methods = [(method_of(arm, study), arm.options.get("weights", "")) for arm in wanted]
    reasons = [
        refusal(method, replace(offered, called=name), weights)
        for name, offered in backbones.items()
        for method, weights in methods
    ]
    refused = [reason for reason in reasons if reason is not None]
    if refused:
        count = f"{len(refused)} of the study's arms cannot run:\n  " if len(refused) > 1 else ""
        raise UserError(count + "\n  ".join(refused))
