import cv2
import numpy as np
import pytest
import skimage.data

from corruptions import registry
from corruptions.catalogue import BUILT_IN


@pytest.fixture(scope="session")
def photo():
    """A face in front of flags: [96, 96, 3], with blown-out white."""
    return cv2.resize(skimage.data.astronaut(), (96, 96), interpolation=cv2.INTER_AREA)


@pytest.fixture
def empty_registry(monkeypatch):
    """Our own types only, whatever a test registers."""
    # Found before the patch, or their modules would register into the copy and be missing afterwards.
    ours = {name: registry.find(name) for name in BUILT_IN}
    monkeypatch.setattr(registry, "_registered", ours)


@pytest.fixture
def own_file(tmp_path):
    """A user's file with one corruption."""
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n"
        "from corruptions import register\n"
        '@register("stripes", family="sensor", severity={"every": [9, 7, 5, 3, 2]})\n'
        "def dark_rows(image, *, rng, every):\n"
        '    """Dead rows."""\n'
        "    dark = image.copy()\n"
        "    dark[rng.randint(every)::every] = 0\n"
        "    return dark\n"
    )
    return path


@pytest.fixture
def noise_image():
    return np.random.RandomState(1).randint(0, 256, (40, 56, 3)).astype(np.uint8)
