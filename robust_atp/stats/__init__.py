"""Estimates with intervals and tests, paired by question and clustered by image."""

from robust_atp.stats.auc import clustered_auc, clustered_auc_difference
from robust_atp.stats.bands import simultaneous_quantile
from robust_atp.stats.bootstrap import Replicates, cell_means, sum_by_image
from robust_atp.stats.cells import linear_cells, logit_cells
from robust_atp.stats.cluster import clustered_difference, obuchowski, t_pvalue
from robust_atp.stats.logit import logit_cluster
from robust_atp.stats.multiple import benjamini_hochberg, holm, maxt
from robust_atp.stats.noninferiority import NonInferiority, clustered_noninferiority, noninferiority
from robust_atp.stats.paired import mcnemar, newcombe, tango
from robust_atp.stats.power import minimum_detectable_effect, noninferiority_questions, paired_error

__all__ = [
    "NonInferiority",
    "Replicates",
    "benjamini_hochberg",
    "cell_means",
    "clustered_auc",
    "clustered_auc_difference",
    "clustered_difference",
    "clustered_noninferiority",
    "holm",
    "linear_cells",
    "logit_cells",
    "logit_cluster",
    "maxt",
    "mcnemar",
    "minimum_detectable_effect",
    "newcombe",
    "noninferiority",
    "noninferiority_questions",
    "obuchowski",
    "paired_error",
    "simultaneous_quantile",
    "sum_by_image",
    "t_pvalue",
    "tango",
]
