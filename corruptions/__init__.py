"""Image corruptions for robustness studies: seeded per sample, pure, and equal to ImageNet-C's.

>>> from corruptions import corrupt, names
>>> foggy = corrupt(image, "fog", severity=3, key="vqav2/458752")
"""

from corruptions.apply import corrupt
from corruptions.errors import ConversionWarning, CorruptionError
from corruptions.registry import Corruption, names, register

__all__ = ["ConversionWarning", "Corruption", "CorruptionError", "corrupt", "names", "register"]
