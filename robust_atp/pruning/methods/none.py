"""The unpruned model, as an arm like any other."""

from robust_atp.pruning.budgets import Everything
from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Constant


def none() -> Method:
    """Keep every token; ``keep`` is ignored. Both position policies are the same thing here."""
    return Method("none", "keeps every token", Constant(), budget=Everything(), position_policy="original")
