"""Density-peak clustering of tokens, with defined ties."""

import torch
from torch import Tensor

from robust_atp.pruning.selection import ranked


def density_peaks(states: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """Ascending indices of the cluster centres [C] and, for each token, the number of its cluster [n].

    Density is ``exp(-mean d²)`` over the C nearest tokens, itself included, with ``d = ‖a - b‖ / √D``. Centres
    are the C largest products of density and distance to the nearest denser token, which is the largest distance
    of all for the densest. A token belongs to the nearest centre. Among equals the lower index is denser, is
    centre, is nearest: two tokens that are each other's nearest tie exactly, and the published code breaks that
    tie by random noise.
    """
    states = states.float()
    # The faster way over matrix products gives d(a, b) ≠ d(b, a) in the last bits.
    mode = "donot_use_mm_for_euclid_dist"
    distance = torch.cdist(states, states, compute_mode=mode) / states.shape[1] ** 0.5  # [n, n]
    density = (-distance.sort(dim=1).values[:, :clusters].square().mean(1)).exp()  # [n]
    index = torch.arange(len(states), device=states.device)
    denser = (density[None] > density[:, None]) | (
        (density[None] == density[:, None]) & (index[None] < index[:, None])
    )
    separation = distance.masked_fill(~denser, torch.inf).amin(1).clamp(max=distance.max())
    centres = ranked(density * separation)[:clusters].sort().values
    member_of = distance[:, centres].argmin(1)
    member_of[centres] = torch.arange(len(centres), device=states.device)
    return centres, member_of
