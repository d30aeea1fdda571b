"""CLIP's joint image-text space: the part of a CLIP model that a LLaVA checkpoint lacks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, CLIPModel, PreTrainedModel, PreTrainedTokenizerBase

from robust_atp.backbones.quiet import without_progress_bars
from robust_atp.errors import UserError


class JointSpace:
    """Text tower and projections of the CLIP model whose vision tower a backbone carries."""

    def __init__(
        self,
        text_tower: PreTrainedModel,
        text_projection: nn.Linear,
        visual_projection: nn.Linear,
        tokenizer: PreTrainedTokenizerBase,
    ) -> None:
        self.text_tower = text_tower
        self.text_projection = text_projection
        self.visual_projection = visual_projection
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, source: str, vision_width: int, dtype: torch.dtype, device: torch.device) -> "JointSpace":
        """Load a CLIP hub id or folder and keep what the joint space needs.

        ``UserError`` if it cannot be read or its vision width is not that of the backbone's tower.
        """
        try:
            with without_progress_bars():
                clip = CLIPModel.from_pretrained(source, dtype=dtype).eval()
            clip.to(device)
            tokenizer = AutoTokenizer.from_pretrained(source)
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"text tower '{source}' cannot be read (option clip): {reason}") from error
        width = clip.config.vision_config.hidden_size
        if width != vision_width:
            raise UserError(
                f"text tower '{source}' belongs to a vision tower of width {width}, "
                f"but the backbone's has width {vision_width} (option clip)"
            )
        return cls(clip.text_model, clip.text_projection, clip.visual_projection, tokenizer)

    def embed_patches(self, normed: Tensor) -> Tensor:
        """Project patches after the vision tower's final norm [B, N, D]: unit length, float32 [B, N, J]."""
        return nn.functional.normalize(self.visual_projection(normed).float(), dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Embed texts, cut to the text tower's length (77 tokens in CLIP): unit length, float32 [Q, J]."""
        batch = self.tokenizer(
            list(texts),
            padding=True,
            # Positions are learned and absolute: on the left, padding would move a text by its batch mates.
            padding_side="right",
            truncation=True,
            max_length=self.text_tower.config.max_position_embeddings,
            return_tensors="pt",
        ).to(self.text_projection.weight.device)
        pooled = self.text_tower(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        ).pooler_output
        return nn.functional.normalize(self.text_projection(pooled).float(), dim=-1)
