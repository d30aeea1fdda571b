"""Names and options as a study file gives them."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from robust_atp.backbones.seam import VisionTokens
from robust_atp.errors import UserError
from robust_atp.pruning import PRUNERS, build_pruner, label


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("atpp", {}, r"did you mean 'atp'\?"),
        ("atp", {"alhpa": 0.5}, r"has no option 'alhpa'.*did you mean 'alpha'\?"),
        ("none", {"keep": 0.5}, "has no option 'keep'; it has: none"),
        ("atp", {"alpha": 1.5}, "alpha must be between 0 and 1; got 1.5, nearest valid: 1"),
        ("atp", {"alpha": "half"}, "alpha must be a number"),
        ("atp", {"alpha": float("nan")}, "alpha must be between 0 and 1; got nan"),
        ("atp", {"layer": "lst"}, r"did you mean 'last'\?"),
        ("atp", {"attention": "taken"}, "attention must be one of given, received"),
        ("atp", {"similarity_sign": 2}, "similarity_sign must be one of 1, -1; got 2"),
        ("atp", {"normalisation": "min-max"}, r"did you mean 'minmax'\?"),
        ("atp", {"budget": "mass"}, "budget must be one of"),
        ("atp", {"temperature": 0}, "temperature must be between"),
        ("random", {"position_policy": "orignal"}, r"did you mean 'original'\?"),
    ],
)
def test_wrong_names_and_values_are_refused(name, options, message):
    with pytest.raises(UserError, match=message):
        build_pruner(name, options)


def test_labels_show_what_differs_from_the_default():
    assert label("atp") == label("atp", {"alpha": 0.5}) == "atp"
    assert label("atp", {"layer": "last", "alpha": 0.25}) == "atp(alpha=0.25, layer=last)"
    assert label("atp", {"alpha": 1}) == label("atp", {"alpha": 1.0}) == "atp(alpha=1)"
    assert label("random", {"position_policy": "original"}) == "random(position_policy=original)"


@pytest.mark.parametrize("keep", [0, -0.1, 1.1, float("nan")])
def test_keep_outside_its_range_is_refused(keep):
    tokens = [VisionTokens(torch.zeros(4, 1), (2, 2))]
    with pytest.raises(UserError, match=r"keep must be in \(0, 1\]"):
        build_pruner("random").prune(tokens, [0], None, keep, 0, ["k"])


def test_a_backbone_without_what_a_method_needs_is_refused():
    bare = SimpleNamespace(name="bare", provides=frozenset({"keys:last"}), has_text_tower=False)
    for name in ("none", "random", "uniform-grid"):
        build_pruner(name).check(bare)
    with pytest.raises(UserError, match="'cls_attention:projected'; the backbone provides: keys:last"):
        build_pruner("cls-attention").check(bare)
    with pytest.raises(UserError, match=r"pruner 'atp' on backbone 'bare'.*needs a CLIP text tower"):
        build_pruner("atp").check(bare)


def test_checking_names_imports_no_torch():
    names = "from robust_atp.pruning import PRUNERS; PRUNERS.names()"
    code = f"import sys; {names}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_pruners_of_this_package_have_defaults():
    for name in PRUNERS.names():
        assert build_pruner(name).name == name
