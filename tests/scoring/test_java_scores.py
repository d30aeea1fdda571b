"""METEOR and SPICE: what is handed to the package, and what is said where it or Java is missing."""

import math
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from robust_atp.errors import UserError
from robust_atp.scoring import caption_scores

SAID = {1: "A dog, running", "2": "two cats"}
REFERENCES = {"1": ["A dog runs.", "One dog!"], 2: ["Two cats."]}


def found(monkeypatch: pytest.MonkeyPatch, *, package: bool = True, java: bool = True) -> None:
    monkeypatch.setattr(
        "robust_atp.scoring.java_scores.find_spec", lambda name: SimpleNamespace() if package else None
    )
    monkeypatch.setattr(
        "robust_atp.scoring.java_scores.shutil.which", lambda name: "/bin/java" if java else None
    )


def test_the_package_gets_tokenised_captions_by_image(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[Any] = []

    class Spice:
        def compute_score(self, references: Any, candidates: Any) -> tuple[float, list[float]]:
            handed.append((references, candidates))
            return 0.25, [0.25]

    module = ModuleType("pycocoevalcap.spice.spice")
    module.Spice = Spice  # type: ignore[attr-defined]  # a module made up here
    for name in ("pycocoevalcap", "pycocoevalcap.spice"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "pycocoevalcap.spice.spice", module)
    found(monkeypatch)
    scores = caption_scores(SAID, REFERENCES, also=["spice"])
    assert scores == caption_scores(SAID, REFERENCES) | {"spice": 0.25}
    assert handed == [
        (
            {"1": ["a dog runs", "one dog"], "2": ["two cats"]},
            {"1": ["a dog running"], "2": ["two cats"]},
        )
    ]


@pytest.mark.parametrize(
    ("present", "name", "message"),
    [
        (
            {"package": False},
            "meteor",
            r"^meteor needs the package pycocoevalcap: pip install 'robust-atp\[java-captions\]'$",
        ),
        ({"java": False}, "spice", "^spice is a Java program, and there is no java on the PATH"),
        ({}, "metoer", r"caption score 'metoer' is not one of: meteor, spice   \(did you mean 'meteor'\?\)"),
    ],
)
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, present: dict[str, bool], name: str, message: str
) -> None:
    found(monkeypatch, **present)
    with pytest.raises(UserError, match=message):
        caption_scores(SAID, REFERENCES, also=[name])


def test_no_images_no_score_and_no_java() -> None:
    assert math.isnan(caption_scores({}, {}, also=["meteor"])["meteor"])
