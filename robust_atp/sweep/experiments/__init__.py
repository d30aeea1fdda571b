"""Experiments that let arms answer again from tokens that are not their own choice."""

from robust_atp.sweep.experiments.experiment import EXPERIMENTS, Experiment, Seen, Variation

__all__ = ["EXPERIMENTS", "Experiment", "Seen", "Variation"]
