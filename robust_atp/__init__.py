"""What does visual-token pruning do to a vision-language model when the images go bad?

>>> from robust_atp import analyse, load_study, run, open_results
>>> results = run(load_study("experiments/embedded.yaml"), "runs/embedded")
>>> results.records()
>>> analyse(results).plot("excess-drop")
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robust_atp.report.analysis import Analysis, analyse
    from robust_atp.sweep.results import Results, open_results
    from robust_atp.sweep.run import run
    from robust_atp.sweep.study import Study
    from robust_atp.sweep.study_file import load_study

__all__ = ["Analysis", "Results", "Study", "__version__", "analyse", "load_study", "open_results", "run"]

_WHERE = {
    "Analysis": "robust_atp.report.analysis",
    "Results": "robust_atp.sweep.results",
    "Study": "robust_atp.sweep.study",
    "analyse": "robust_atp.report.analysis",
    "load_study": "robust_atp.sweep.study_file",
    "open_results": "robust_atp.sweep.results",
    "run": "robust_atp.sweep.run",
}


def __getattr__(name: str) -> Any:
    # On first use, so that importing the package costs nothing and pulls in neither torch nor ray.
    if name == "__version__":
        return version("robust-atp")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
