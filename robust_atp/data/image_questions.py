"""Questions about images that lie somewhere: what every published data set becomes."""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from robust_atp.data.config import DatasetConfig
from robust_atp.data.example import Example
from robust_atp.data.example_store import ExampleStore

ReadImage = Callable[[str], np.ndarray]
ReadMask = Callable[[str], np.ndarray | None]


class ImageQuestions:
    """A ``Dataset`` of examples on disk and of images that are read one by one, when they are asked for."""

    def __init__(
        self,
        config: DatasetConfig,
        examples: Iterable[Example],
        read_image: ReadImage,
        *,
        what: str,
        read_mask: ReadMask | None = None,
        references: Callable[[], Iterable[Sequence[str]]] | None = None,
        limit: int | None = None,
        revision: str = "",
    ) -> None:
        """``what`` names the source in errors; ``revision`` is the commit on the hub, which decides the images.

        ``references`` are those of the whole data set, where ``limit`` must not change them.
        """
        self.name, self.split = config.name, config.split
        self.metric = config.scored_by
        self.revision = revision
        self._store = ExampleStore(examples, what, limit)
        self._read_image, self._read_mask, self._references = read_image, read_mask, references
        decisive = json.dumps([self._store.fingerprint, revision, self.metric])
        self.fingerprint = hashlib.blake2b(decisive.encode(), digest_size=16).hexdigest()

    def image_ids(self) -> Sequence[str]:
        """Ids of the images that questions are asked about, in order of first appearance."""
        return self._store.image_ids()

    def examples(self, image_ids: Sequence[str] | None = None) -> Sequence[Example]:
        """All questions, or those about some images: grouped by image, images in order of first appearance."""
        return self._store if image_ids is None else self._store.about(image_ids)

    def references(self) -> Iterable[Sequence[str]]:
        """Reference answers of every image."""
        if self._references is not None:
            return self._references()
        return (example.answers for example in self._store)

    def image(self, image_id: str) -> np.ndarray:
        """Pixels as uint8 RGB [H, W, 3]."""
        return self._read_image(image_id)

    def object_mask(self, image_id: str) -> np.ndarray | None:
        """True where an annotated object is, bool [H, W]; None without annotated objects."""
        return None if self._read_mask is None else self._read_mask(image_id)

    def corrupted(self, image_id: str, intervention: str, severity: int, noise_seed: int) -> None:
        """Published data sets hold clean images only."""
