"""Which arms of a study take part in its experiments, and why the others do not."""

from collections.abc import Mapping
from dataclasses import dataclass

from robust_atp.sweep.experiments import EXPERIMENTS
from robust_atp.sweep.plan import arms, interventions
from robust_atp.sweep.study import Study


@dataclass(frozen=True)
class Participation:
    """Numbers of the arms that take part, reasons of the others by label, and what each question is asked more."""

    arms: tuple[int, ...]
    left_out: Mapping[str, str]
    variants: tuple[str, ...]
    interventions: int

    @property
    def answers(self) -> int:
        """Answers to each question beyond the arms' own."""
        return len(self.arms) * len(self.variants) * self.interventions


def participation(study: Study) -> dict[str, Participation]:
    """Participation by name of the experiment, in the order of the study."""
    # Pruning methods import torch; reading a study must not.
    from robust_atp.pruning import label
    from robust_atp.sweep.methods import method_of

    found = {}
    for name in study.grid.experiment:
        experiment = EXPERIMENTS.get(name)
        reasons = {number: experiment.unfit(method_of(arm, study)) for number, arm in enumerate(arms(study))}
        found[name] = Participation(
            arms=tuple(number for number, reason in reasons.items() if reason is None),
            left_out={
                label(arm.pruner, arm.options): reason
                for number, arm in enumerate(arms(study))
                if (reason := reasons[number]) is not None
            },
            variants=experiment.variants,
            interventions=sum(experiment.meets(what.name, what.severity) for what in interventions(study)),
        )
    return found
