"""The loss that still counts as none."""

# "Less than 1 % lost" is what most papers on pruning claim.
MARGIN = 0.01
