"""From an arm of a study to the pruning method that it runs."""

from dataclasses import replace

from robust_atp.pruning import Method, build_pruner
from robust_atp.sweep.plan import Arm
from robust_atp.sweep.study import Study


def method_of(arm: Arm, study: Study) -> Method:
    """Build the arm's method, under the study's position policy if it has one."""
    method = build_pruner(arm.pruner, arm.options)
    # Nothing is missing from an unpruned sequence, so both policies number it alike.
    if study.position_policy is None or arm.pruner == "none":
        return method
    return replace(method, position_policy=study.position_policy)
