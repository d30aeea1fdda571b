"""Smaller input images: sizes, places and what resampling keeps."""

import pytest
import torch

from robust_atp.backbones.shrinking import Shrinking, nearest_grid


@pytest.mark.parametrize(
    ("count", "grid", "expected"),
    [
        (576, (24, 24), (24, 24)),
        (144, (24, 24), (12, 12)),
        (161, (24, 24), (12, 13)),
        (150, (24, 24), (12, 12)),  # 144 and 156 are equally near
        (1, (24, 24), (1, 1)),
        (2, (24, 24), (1, 2)),
        (49, (14, 14), (7, 7)),
        (6, (4, 6), (2, 3)),
        (23, (4, 6), (4, 6)),
        (5, (1, 9), (1, 9)),
    ],
)
def test_the_nearest_grid(count, grid, expected):
    assert nearest_grid(count, grid) == expected


@pytest.mark.parametrize("side", [1, 4, 7, 14, 24])
def test_no_grid_of_a_squares_aspect_is_nearer(side):
    near_squares = [r * c for r in range(1, side + 1) for c in (r, r + 1) if c <= side]
    for count in range(1, side**2 + 1):
        rows, columns = nearest_grid(count, (side, side))
        assert rows <= columns <= min(rows + 1, side)
        assert abs(rows * columns - count) == min(abs(n - count) for n in near_squares)


def test_every_patch_stands_where_its_centre_lies():
    """Row r of R small ones is centred at (r + 1/2) / R of the height."""
    for small, whole in [((1, 1), (4, 4)), ((2, 3), (4, 6)), ((7, 8), (14, 14)), ((5, 5), (5, 5))]:
        expected = [
            int((r + 0.5) / small[0] * whole[0]) * whole[1] + int((c + 0.5) / small[1] * whole[1])
            for r in range(small[0])
            for c in range(small[1])
        ]
        places = Shrinking(small).places(whole)
        assert places.tolist() == expected
        assert (places.diff() > 0).all()


def test_shrinking_keeps_a_plane_and_averages_what_is_finer_than_a_pixel():
    ramp = torch.linspace(0, 1, 56)[None, None, None].expand(1, 3, 56, 56)
    small = Shrinking((2, 2)).shrink(ramp, 14)
    assert small.shape == (1, 3, 28, 28)
    expected = (torch.arange(28) + 0.5) / 28 * 56 / 55 - 0.5 / 55  # the pixel centres of the smaller image
    torch.testing.assert_close(small[0, 0, 5, 2:-2], expected[2:-2], atol=1e-4, rtol=0)
    checks = (torch.arange(56)[:, None] + torch.arange(56)) % 2
    grey = Shrinking((1, 1)).shrink(checks.float().expand(1, 3, 56, 56), 14)
    torch.testing.assert_close(grey[..., 2:-2, 2:-2], torch.full((1, 3, 10, 10), 0.5), atol=0.01, rtol=0)


def test_half_precision_stays():
    assert Shrinking((1, 2)).shrink(torch.ones(1, 3, 8, 8, dtype=torch.bfloat16), 4).dtype == torch.bfloat16
