"""Random pruning: the control that every published method has to beat."""

from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Random


def random(position_policy: str = "compacted") -> Method:
    """Keep a uniformly random subset of the tokens, drawn from (seed, key) and nothing else."""
    return Method("random", "keeps a random subset", Random(), position_policy=position_policy)
