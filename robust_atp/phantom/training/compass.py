"""The auxiliary loss that makes words know where the objects are that they name."""

import torch
from torch import Tensor, nn

from robust_atp.phantom.model import WIDTH, build_tokenizer
from robust_atp.phantom.training.lessons import QUESTION_LENGTH
from robust_atp.phantom.world import SHAPES


class Compass(nn.Module):
    """Linear readers of objects' places, thrown away after training: off projected patches and off shape words.

    Without them the projector drops the horizontal place for good (decodable with R² 0.3, the vertical one with 0.9,
    measured after 1,700 steps) and "left or right" stays at chance while "above or below" is solved.
    """

    def __init__(self) -> None:
        super().__init__()
        self.patch_head = nn.Linear(WIDTH, 2)
        self.word_head = nn.Linear(WIDTH, 2)
        shapes = build_tokenizer().convert_tokens_to_ids(list(SHAPES))
        self.register_buffer("shape_ids", torch.tensor(shapes), persistent=False)

    def of_patches(self, projected: Tensor, centre: Tensor) -> Tensor:
        """Loss of patches on objects: projected [P, D], centre [P, 2]."""
        return (self.patch_head(projected).float() - centre).square().mean()

    def of_words(self, hidden: Tensor, tokens: Tensor, length: Tensor, place: Tensor) -> Tensor:
        """Loss of words that name the only object of a shape.

        hidden [B, Q, T, D], tokens [B, Q, T], length [B, Q], place [B, shapes, 2].
        """
        named = tokens[..., None] == self.shape_ids  # [B, Q, T, shapes]
        asked = torch.arange(QUESTION_LENGTH, device=tokens.device) < length[..., None]
        known = named & asked[..., None] & place[:, None, None, :, 0].isfinite()
        at = known.nonzero(as_tuple=True)
        return (self.word_head(hidden[at[:3]]).float() - place[at[0], at[3]]).square().mean()
