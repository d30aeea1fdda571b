"""Object masks from polygons, run lengths and boxes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_fixture import write_json

from robust_atp.data.coco_instances import Instances, decode_counts, object_mask
from robust_atp.data.scene_graphs import SceneGraphs
from robust_atp.errors import UserError


def naive_polygon(corners: list[tuple[float, float]], height: int, width: int) -> np.ndarray:
    """Even-odd rule at the centre of every pixel."""
    mask = np.zeros((height, width), bool)
    for row, column in np.ndindex(height, width):
        x, y, inside = column + 0.5, row + 0.5, False
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                inside = not inside
        mask[row, column] = inside
    return mask


@pytest.mark.parametrize(
    "corners",
    [
        [(3.0, 2.0), (20.0, 2.0), (20.0, 14.0), (3.0, 14.0)],
        [(5.5, 1.5), (24.2, 10.1), (9.7, 18.3)],
        [(2.0, 2.0), (25.0, 4.0), (12.0, 9.0), (23.0, 17.0), (4.0, 15.0)],
        [(-5.0, -3.0), (40.0, 5.5), (12.5, 30.0)],
    ],
)
def test_a_polygon_holds_the_pixels_whose_centres_it_holds(corners: list[tuple[float, float]]) -> None:
    flat = [number for corner in corners for number in corner]
    found = object_mask({"segmentation": [flat]}, 20, 30, "x")
    expected = naive_polygon(corners, 20, 30)
    assert np.array_equal(found, expected)


def test_parts_of_an_object_are_united() -> None:
    square = [1, 1, 5, 1, 5, 5, 1, 5]
    other = [10, 10, 14, 10, 14, 14, 10, 14]
    both = object_mask({"segmentation": [square, other]}, 20, 20, "x")
    single = [object_mask({"segmentation": [part]}, 20, 20, "x") for part in (square, other)]
    assert np.array_equal(both, single[0] | single[1])


def encode_counts(runs: list[int]) -> str:
    """COCO's compressed text, written from its description."""
    text = []
    for place, run in enumerate(runs):
        value, more = run - (runs[place - 2] if place > 2 else 0), True
        while more:
            digit = value & 31
            value >>= 5
            more = value != (-1 if digit & 16 else 0)
            text.append(chr((digit | (32 if more else 0)) + 48))
    return "".join(text)


@pytest.mark.parametrize(
    "runs", [[0, 4, 2], [5], [3, 1, 4, 1, 5, 9, 2, 6], [100_000, 1, 70, 2, 99_000, 31, 32, 33]]
)
def test_compressed_run_lengths(runs: list[int]) -> None:
    assert decode_counts(encode_counts(runs)) == runs


def test_runs_go_column_by_column() -> None:
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2] = True
    mask[0, 4] = True
    runs = [9, 2, 5, 1, 3]
    for counts in (runs, encode_counts(runs)):
        record: dict[str, Any] = {"segmentation": {"counts": counts, "size": [4, 5]}}
        assert np.array_equal(object_mask(record, 4, 5, "x"), mask)
    with pytest.raises(UserError, match="run lengths cover 20 pixels of an image of 24"):
        object_mask({"segmentation": {"counts": runs}}, 4, 6, "x")


def test_boxes_stand_in_for_missing_segmentations() -> None:
    mask = object_mask({"bbox": [-2, 1, 4, 100]}, 5, 6, "x")
    assert mask.sum() == 4 * 2
    assert mask[1:, :2].all()


def test_an_image_has_the_union_of_its_objects(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 1, "height": 5, "width": 6}, {"id": 2, "height": 3, "width": 3}],
        "annotations": [
            {"image_id": 1, "category_id": 18, "bbox": [0, 0, 1, 1]},
            {"image_id": 1, "category_id": 1, "bbox": [2, 2, 1, 1]},
            {"image_id": 1, "category_id": 18, "bbox": [4, 4, 1, 1]},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
    }
    instances = Instances(write_json(tmp_path / "i.json", document))
    mask = instances.mask("1")
    assert mask is not None
    assert np.argwhere(mask).tolist() == [[0, 0], [2, 2], [4, 4]]
    assert instances.names("1") == ["dog", "person"]
    assert (instances.names("2"), list(instances.image_ids())) == ([], ["1", "2"])
    nothing = instances.mask("2")
    assert nothing is not None
    assert not nothing.any()
    assert instances.mask("3") is None


def test_boxes_of_a_scene_graph(tmp_path: Path) -> None:
    graph = {"width": 6, "height": 5, "objects": {"9": {"name": "meat", "x": 4, "y": 3, "w": 9, "h": 1}}}
    graphs = SceneGraphs(write_json(tmp_path / "g.json", {"0234": graph}))
    mask = graphs.mask("0234")
    assert mask is not None
    assert np.argwhere(mask).tolist() == [[3, 4], [3, 5]]
    assert graphs.names("0234") == ["meat"]
    assert graphs.mask("234") is None
