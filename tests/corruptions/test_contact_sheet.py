import numpy as np
from PIL import Image

from corruptions import corrupt, names
from corruptions.contact_sheet import GAP, contact_sheet


def test_cells_hold_the_corrupted_images(photo):
    page = np.asarray(contact_sheet(photo[:, :64], ["fog", "pixelate"], [0, 3], seed=2, key="k"))
    for row, name in enumerate(("fog", "pixelate")):
        for column, severity in enumerate((0, 3)):
            bottom, right = (
                page.shape[0] - (1 - row) * (96 + GAP) - GAP,
                page.shape[1] - (1 - column) * (64 + GAP) - GAP,
            )
            cell = page[bottom - 96 : bottom, right - 64 : right]
            assert np.array_equal(cell, corrupt(photo[:, :64], name, severity, seed=2, key="k"))


def test_all_types_and_severities_are_shown_by_default(photo):
    page = contact_sheet(Image.fromarray(photo), side=32)
    assert page.height > len(names("all")) * 32
    assert page.width > 6 * 32
