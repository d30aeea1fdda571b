"""How stable the set of kept tokens is, e.g. between a clean image and its corrupted twin."""

from robust_atp.stability.content import content_stability, cross_image_baseline
from robust_atp.stability.nogueira import nogueira
from robust_atp.stability.overlap import (
    jaccard,
    jaccard_chance,
    jaccard_masks,
    kappa,
    kappa_masks,
    kuncheva,
)
from robust_atp.stability.ranking import rbo, rbo_chance, rbo_persistence, rbo_top_weight
from robust_atp.stability.spatial import centroid_shift, emd

__all__ = [
    "centroid_shift",
    "content_stability",
    "cross_image_baseline",
    "emd",
    "jaccard",
    "jaccard_chance",
    "jaccard_masks",
    "kappa",
    "kappa_masks",
    "kuncheva",
    "nogueira",
    "rbo",
    "rbo_chance",
    "rbo_persistence",
    "rbo_top_weight",
]
