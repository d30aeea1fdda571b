"""Image corruptions for robustness studies: seeded per sample, pure, and equal to ImageNet-C's.

>>> from corruptions import corrupt, names
>>> foggy = corrupt(image, "fog", severity=3, key="vqav2/458752")
"""

from corruptions.apply import corrupt, ladder
from corruptions.corruption import Corruption
from corruptions.errors import ConversionWarning, CorruptionError
from corruptions.registry import names, register

__all__ = ["ConversionWarning", "Corruption", "CorruptionError", "corrupt", "ladder", "names", "register"]
