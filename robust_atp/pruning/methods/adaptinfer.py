"""AdaptInfer: text tokens that other text cares for decide, layer by layer, which visual tokens go on."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from robust_atp.backbones.dropping import Survivors, View
from robust_atp.errors import UserError
from robust_atp.pruning.budgets import Everything
from robust_atp.pruning.inside import InsideDecoder, Table
from robust_atp.pruning.method import Method
from robust_atp.pruning.options import one_of
from robust_atp.pruning.scores import Constant
from robust_atp.pruning.selection import top_k

# What is left of 576 tokens after each cut, at the paper's nominal budgets.
_PUBLISHED = {32: (40, 12, 0), 48: (80, 24, 2), 64: (133, 27, 3), 128: (290, 72, 18)}
_TABLE = Table(
    tuple((budget / 576, tuple(count / 576 for count in counts)) for budget, counts in _PUBLISHED.items())
)


@dataclass(frozen=True)
class TextGuidedAttention:
    """Top K by text-to-vision attention, every text token weighted by its part in the text's own attention.

    With ``B = A_h[text, text]``, per head: ``w = Σ_rows (B + Bᵀ - diag B)`` and ``s = Σ_h w_h · A_h[text, vision]``.
    ``prior`` takes for w what a token receives and gives (``symmetric``), only one of them, or 1 (``uniform``).
    """

    prior: str = "symmetric"

    def __call__(self, view: View, count: int) -> Survivors:
        """Score with the attention of the layer just passed."""
        attention = view.attention(view.text)  # [heads, R, T]
        within, across = attention[:, :, view.text], attention[:, :, view.visual]
        return Survivors(top_k((self._weights(within)[:, None] @ across).sum((0, 1)), count))

    def _weights(self, within: Tensor) -> Tensor:
        """Weight of each text token [heads, R] from the attention among them [heads, R, R]."""
        received, given = within.sum(1), within.sum(2)
        weights = {
            "symmetric": received + given - within.diagonal(dim1=1, dim2=2),
            "received": received,
            "given": given,
            "uniform": within.new_ones(within.shape[:2]),
        }
        return weights[self.prior]


def adaptinfer(
    after: Sequence[int] = (2, 11, 21),
    layers: int = 32,
    prior: str = "symmetric",
    position_policy: str = "compacted",
) -> Method:
    """Cut three times, by attention that the text itself weighs; the nominal budget is the paper's 32..128 of 576.

    The published tables (128: 290, 72, 18 tokens after the cuts; 64: 133, 27, 3; 48: 80, 24, 2; 32: 40, 12, 0)
    come out exactly at ``keep`` = budget / 576, straight lines lie between them. A nominal budget averages the
    counts after each layer; "64" makes the layers process 82.9 tokens on average.

    - ``after`` and ``layers``: cut after which layers of a decoder of how many (the code's layers 1, 10 and 20
      counted from 0); another decoder is cut at the same fractions of its depth. The command
      ``robust-atp cutlayers`` finds them for any backbone.
    - ``prior`` symmetric | received | given | uniform: weight of a text token; the code's is the first.

    Text is every token after the image, template included; heads are summed, as in the code.
    """
    one_of("prior", prior, ("symmetric", "received", "given", "uniform"))
    cuts = tuple(after)
    if len(cuts) != 3 or list(cuts) != sorted(set(cuts)) or not 1 <= cuts[0] <= cuts[-1] < layers:
        raise UserError(
            f"after must be three ascending layers within 1..{layers - 1} (option layers is {layers}); "
            f"got {list(cuts)}"
        )
    inside = InsideDecoder(cuts, _TABLE, TextGuidedAttention(prior), published_layers=layers)
    return Method(
        "adaptinfer",
        "inside the decoder, keeps what the text that other text cares for attends to (AdaptInfer)",
        Constant(),
        budget=Everything(),
        inside=inside,
        placement=inside.placement,
        position_policy=position_policy,
        paper="Zhang et al., AdaptInfer, arXiv:2508.06084",
    )
