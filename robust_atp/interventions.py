"""What an arm sees and is asked: the one definition of what is done to an image or a question before it is answered."""

import hashlib
from typing import Any

import numpy as np

from corruptions import corrupt
from corruptions.registry import find
from robust_atp.data.example import Dataset
from robust_atp.errors import UserError
from robust_atp.probes import controls

CLEAN = "clean"


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
    beside = surroundings(dataset, image_id, name, severity=severity, noise_seed=noise_seed)
    return intervene(
        dataset.image(image_id) if image is None else image, name, severity=severity, noise_seed=noise_seed,
        study_seed=study_seed, dataset=dataset.name, image_id=image_id, **beside,
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
    mask: np.ndarray | None = None,
    donor: np.ndarray | None = None,
) -> np.ndarray:
    """Return the pixels of one intervention: the image itself, a control image, or a corruption of it.

    uint8 RGB [H, W, 3] in and out, the same bytes for the same arguments in any process. Random streams are
    keyed by data set and image, and the severity stays out of the key, so that a ladder shares its noise.
    ``mask`` and ``donor`` are what ``surroundings`` returns. A corruption of questions leaves the image as it is.
    """
    key = f"{dataset}/{image_id}"
    if name == CLEAN or changes_question(name, severity):
        return image
    if severity == 0:
        beside = {} if mask is None else {"mask": mask}
        return controls.control(image, name, seed=study_seed, key=key, **beside)
    return corrupt(image, name, severity=severity, seed=noise_seed, key=key, mask=mask, donor=donor)


def intervene_question(
    question: str, name: str, *, severity: int, noise_seed: int, dataset: str, question_id: str
) -> str:
    """Return the question as it is asked under one intervention, keyed by data set and question."""
    if not changes_question(name, severity):
        return question
    return corrupt(question, name, severity=severity, seed=noise_seed, key=f"{dataset}/{question_id}")


def changes_question(name: str, severity: int) -> bool:
    """Whether an intervention is a corruption of the question and not of the image."""
    return severity > 0 and find(name).medium == "text"


def version(name: str, severity: int) -> int:
    """Return the version of the implementation behind an intervention: 0 for clean images."""
    if name == CLEAN:
        return 0
    return find(name).version if severity else controls.VERSION


def surroundings(
    dataset: Dataset, image_id: str, name: str, *, severity: int, noise_seed: int
) -> dict[str, Any]:
    """Return what an intervention needs beside the image: its object ``mask``, another image's background.

    The background is that of another image of the data set, drawn by data set, image and noise seed, with its
    objects painted over. ``UserError`` if the data set has no masks, or no other image.
    """
    if name == CLEAN:
        return {}
    asked = find(name).asks_for if severity else controls.asks_for(name)
    found: dict[str, Any] = {}
    if "mask" in asked:
        found["mask"] = _mask(dataset, image_id, name)
    if "donor" in asked:
        from corruptions.background import without_objects

        other = _other_image(dataset, image_id, noise_seed)
        found["donor"] = without_objects(dataset.image(other), _mask(dataset, other, name))
    return found


def _mask(dataset: Dataset, image_id: str, name: str) -> np.ndarray:
    mask = dataset.object_mask(image_id)
    if mask is None:
        raise UserError(
            f"intervention '{name}' needs object masks, which data set '{dataset.name}' does not have"
        )
    return mask


def _other_image(dataset: Dataset, image_id: str, noise_seed: int) -> str:
    others = sorted(set(dataset.image_ids()) - {image_id})
    if not others:
        raise UserError(f"a background from another image needs two images, '{dataset.name}' has one")
    text = f"donor\0{noise_seed}\0{dataset.name}\0{image_id}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return others[int.from_bytes(digest, "little") % len(others)]


def pixel_hash(image: np.ndarray) -> str:
    """blake2b of size and pixels of a uint8 image [H, W, 3], 32 hex digits: the record's ``image_hash``."""
    digest = hashlib.blake2b(f"{image.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()
