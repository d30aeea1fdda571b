"""METEOR and SPICE of a corpus, by their authors' own Java programs: the package pycocoevalcap, an optional extra."""

import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from robust_atp.errors import UserError, unknown

JAVA_SCORES = {"meteor": "pycocoevalcap.meteor.meteor:Meteor", "spice": "pycocoevalcap.spice.spice:Spice"}


def java_score(name: str, pairs: Mapping[str, tuple[str, Sequence[str]]]) -> float:
    """``meteor`` or ``spice`` in [0, 1] of tokenised captions, by image, with their tokenised references.

    ``UserError`` without the package or without Java. SPICE downloads its parser when it is first used.

    Denkowski and Lavie, Meteor Universal, WMT 2014; Anderson et al., SPICE, ECCV 2016.
    """
    scorer = _scorer(name)
    references = {image: list(others) for image, (_, others) in pairs.items()}
    candidates = {image: [caption] for image, (caption, _) in pairs.items()}
    return float(scorer.compute_score(references, candidates)[0])


def _scorer(name: str) -> Any:
    if name not in JAVA_SCORES:
        raise unknown("caption score", name, JAVA_SCORES)
    if find_spec("pycocoevalcap") is None:
        raise UserError(f"{name} needs the package pycocoevalcap: pip install 'robust-atp[java-captions]'")
    if shutil.which("java") is None:
        raise UserError(f"{name} is a Java program, and there is no java on the PATH: install a Java runtime")
    module, _, kind = JAVA_SCORES[name].partition(":")
    return getattr(import_module(module), kind)()
