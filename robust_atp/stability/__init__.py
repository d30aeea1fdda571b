"""How stable the set of kept tokens is, e.g. between a clean image and its corrupted twin."""

from robust_atp.stability.content import content_stability, cross_image_baseline
from robust_atp.stability.fields import centroid_shifts, spreads, transport_bounds
from robust_atp.stability.nogueira import nogueira
from robust_atp.stability.overlap import (
    jaccard,
    jaccard_chance,
    jaccard_masks,
    kappa,
    kappa_masks,
    kuncheva,
    kuncheva_masks,
)
from robust_atp.stability.ranking import rbo, rbo_chance, rbo_persistence, rbo_top_weight
from robust_atp.stability.scores import boundary_margin, corrected_rbo, spearman, weighted_tau
from robust_atp.stability.spatial import centroid_shift, emd
from robust_atp.stability.tolerant import tolerant_chance, tolerant_overlap, tolerant_stability

__all__ = [
    "boundary_margin",
    "centroid_shift",
    "centroid_shifts",
    "content_stability",
    "corrected_rbo",
    "cross_image_baseline",
    "emd",
    "jaccard",
    "jaccard_chance",
    "jaccard_masks",
    "kappa",
    "kappa_masks",
    "kuncheva",
    "kuncheva_masks",
    "nogueira",
    "rbo",
    "rbo_chance",
    "rbo_persistence",
    "rbo_top_weight",
    "spearman",
    "spreads",
    "tolerant_chance",
    "tolerant_overlap",
    "tolerant_stability",
    "transport_bounds",
    "weighted_tau",
]
