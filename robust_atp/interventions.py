"""What an arm sees: the one definition of what is done to an image before it is answered."""

import hashlib

import numpy as np

from corruptions import corrupt
from robust_atp.data.example import Dataset
from robust_atp.probes.controls import control


def pixels_seen(
    dataset: Dataset,
    image_id: str,
    name: str,
    *,
    severity: int,
    noise_seed: int,
    study_seed: int,
    image: np.ndarray | None = None,
) -> np.ndarray:
    """Return what every arm sees of an image: what an export holds of the intervention, else what it makes of it.

    ``image`` saves reading the image again. uint8 RGB [H, W, 3].
    """
    stored = dataset.corrupted(image_id, name, severity, noise_seed)
    if stored is not None:
        return stored
    return intervene(
        dataset.image(image_id) if image is None else image, name, severity=severity, noise_seed=noise_seed,
        study_seed=study_seed, dataset=dataset.name, image_id=image_id,
    )  # fmt: skip


def intervene(
    image: np.ndarray,
    name: str,
    *,
    severity: int,
    noise_seed: int,
    study_seed: int,
    dataset: str,
    image_id: str,
) -> np.ndarray:
    """Return the pixels of one intervention: the image itself, a control image, or a corruption of it.

    uint8 RGB [H, W, 3] in and out, the same bytes for the same arguments in any process. Random streams are
    keyed by data set and image, and the severity stays out of the key, so that a ladder shares its noise.
    """
    key = f"{dataset}/{image_id}"
    if name == "clean":
        return image
    if severity == 0:
        return control(image, name, seed=study_seed, key=key)
    return corrupt(image, name, severity=severity, seed=noise_seed, key=key)


def pixel_hash(image: np.ndarray) -> str:
    """blake2b of size and pixels of a uint8 image [H, W, 3], 32 hex digits: the record's ``image_hash``."""
    digest = hashlib.blake2b(f"{image.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
