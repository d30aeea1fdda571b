"""What the literature claims, set against what a study measured."""

from robust_atp.report.claims.check import check_claims
from robust_atp.report.claims.literature import LITERATURE, Claim

__all__ = ["LITERATURE", "Claim", "check_claims"]
