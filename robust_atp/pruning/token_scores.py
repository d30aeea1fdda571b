"""What a method goes by, for those who want to see more than what it kept."""

from collections.abc import Sequence

from torch import Tensor

from robust_atp.backbones.seam import VisionTokens
from robust_atp.pruning.method import Method
from robust_atp.pruning.scores import Constant


def token_scores(
    method: Method,
    tokens: Sequence[VisionTokens],
    image_of: Sequence[int],
    text: Tensor | None,
    seed: int,
    keys: Sequence[str],
) -> list[Tensor] | None:
    """Scores [N] of the tokens for each of Q questions, as ``method.prune`` computes them from the same arguments.

    None where there is no one ranking behind what is kept: the method looks at no scores, cuts inside the vision
    tower or the decoder, or an image has several views that are pruned apart. What a selection makes of the scores
    is its own affair: not every method keeps the K best.
    """
    scored = method.tower is None and method.inside is None and not isinstance(method.score, Constant)
    if not scored or any(image.views for image in tokens):
        return None
    computed: dict[tuple[object, ...], Tensor] = {}
    found = []
    for question, (image, key) in enumerate(zip(image_of, keys, strict=True)):
        query = text[question] if method.needs_text and text is not None else None
        same = (
            image,
            key if method.score.needs_key else None,
            question if method.needs_text else None,
        )
        if same not in computed:
            computed[same] = method.score(method.sample(tokens[image], query, seed, key)).float().cpu()
        found.append(computed[same])
    return found
