"""From a backbone's entry in a study to its revision, which needs no weights in memory, and to the thing itself."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from robust_atp.errors import UserError
from robust_atp.registry import Registry
from robust_atp.sweep.study import BackboneConfig

if TYPE_CHECKING:
    from robust_atp.backbones.seam import Backbone

# Checkpoints are found by load_backbone; this one only reaches a user's own ``module:object``.
_OWN: Registry = Registry("backbone", {})
