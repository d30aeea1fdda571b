"""Stage 2: projector and language model on frozen, cached features.

Twelve questions share one image: each is a block that sees the image and itself, never another block, so that no
answer leaks and the image is read once. Most steps show the model a thinned image (see `subset`), because a language
model that has never seen one is upset by *which* tokens are missing, and even an oracle then loses to random.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPModel, LlavaForConditionalGeneration

from robust_atp.phantom.model import EOS, IMAGE, LAYERS, PROMPT, SPECIAL, WIDTH, build_tokenizer
from robust_atp.phantom.training.lessons import MIX, QUESTION_LENGTH, Lessons
from robust_atp.phantom.training.loop import accelerate, finished, train
from robust_atp.phantom.world import SHAPES

BLOCKS = 12  # questions per image and step
BUDGETS = (8, 12, 20, 30, 49, 98)  # tokens of a thinned image: 4 % to 50 %


def subset(on_object: Tensor, keep: int, generator: torch.Generator) -> Tensor:
    """Kept tokens per image, [B, keep], ascending: for half of the images any, for the others objects first."""
    chance = torch.rand(on_object.shape, generator=generator)
    objects_first = torch.rand(len(on_object), 1, generator=generator) < 0.5
    return (chance + (on_object & objects_first)).topk(keep).indices.sort().values


def block_mask(image_end: int, blocks: int) -> Tensor:
    """Additive attention mask [1, 1, L, L]: causal, and no block of a question sees another block."""
    length = image_end + blocks * QUESTION_LENGTH
    position = torch.arange(length)
    block = ((position - image_end).div(QUESTION_LENGTH, rounding_mode="floor")).clamp(min=-1)
    seen = (position[None] <= position[:, None]) & ((block[None] == -1) | (block[None] == block[:, None]))
    return torch.where(seen, 0.0, torch.finfo(torch.bfloat16).min)[None, None]


def forward(
    llava: LlavaForConditionalGeneration,
    features: Tensor,
    kept: Tensor,
    tokens: Tensor,
    length: Tensor,
    *,
    compacted: bool,
) -> tuple[Tensor, Tensor]:
    """Logits at the last question token and at the answer, [B, Q, 2, V], and the words half-way up, [B, Q, T, D].

    features [B, N, D], kept [B, K], tokens [B, Q, QUESTION_LENGTH], length [B, Q].
    """
    batch, total, width = features.shape
    thinned = features.gather(1, kept[..., None].expand(-1, -1, width))
    seen_at = torch.arange(kept.shape[1], device=kept.device).expand(batch, -1) if compacted else kept
    asked_from = kept.new_full((batch,), kept.shape[1] if compacted else total)
    return read(llava, llava.model.multi_modal_projector(thinned), seen_at, asked_from, tokens, length)


def read(
    llava: LlavaForConditionalGeneration,
    image: Tensor,
    seen_at: Tensor,
    asked_from: Tensor,
    tokens: Tensor,
    length: Tensor,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`forward` from the projected image [B, K, D] on, its tokens and the questions standing where they are told to.

    seen_at [B, K], asked_from [B]; a bias [B, K] is added to what attention pays to the image's tokens.
    """
    device, width = image.device, image.shape[-1]
    batch, blocks, _ = tokens.shape
    embed = llava.get_input_embeddings()
    start = prefix_ids().to(device)
    text = embed(tokens.flatten(1))  # [B, Q * T, D]
    inputs = torch.cat([embed(start).expand(batch, -1, -1), image.to(text.dtype), text], 1)
    image_end = len(start) + image.shape[1]

    asked_at = asked_from[:, None] + torch.arange(QUESTION_LENGTH, device=device).repeat(blocks)
    head = torch.arange(-len(start), 0, device=device)
    position_ids = len(start) + torch.cat([head.expand(batch, -1), seen_at, asked_at], 1)
    mask = block_mask(image_end, blocks).to(inputs)  # [1, 1, L, L]
    if bias is not None:
        mask = mask + F.pad(bias.to(inputs), (len(start), inputs.shape[1] - image_end))[:, None, None]
    hidden = llava.model.language_model(
        inputs_embeds=inputs,
        attention_mask=mask,
        position_ids=position_ids,
        use_cache=False,
        output_hidden_states=True,
    )
    middle, last = (
        layer[:, image_end:].unflatten(1, (blocks, QUESTION_LENGTH))  # [B, Q, T, D]
        for layer in (hidden.hidden_states[LAYERS // 2], hidden.last_hidden_state)
    )
    where = torch.stack([length - 1, length], -1)[..., None].expand(-1, -1, -1, width)
    return llava.lm_head(last.gather(2, where)), middle


def prefix_ids() -> Tensor:
    """Token ids of the prompt before the image."""
    before, _, _ = PROMPT.partition(IMAGE)
    return torch.tensor(build_tokenizer()(before)["input_ids"])


def answers(tokens: Tensor, length: Tensor) -> Tensor:
    """What `forward` should predict: the answer and the end token, [B, Q, 2]."""
    answer = tokens.gather(2, length[..., None])
    return torch.cat([answer, torch.full_like(answer, SPECIAL.index(EOS))], 2)


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


def train_language(
    clip: CLIPModel,
    llava: LlavaForConditionalGeneration,
    world: str,
    checkpoint: Path,
    *,
    steps: int,
    seed: int,
) -> None:
    """Train projector and language model on a world; resumes from ``checkpoint``."""
    compass = Compass().to(llava.device)
    trained = {
        "compass": compass,
        "projector": llava.model.multi_modal_projector,
        "language": llava.model.language_model,
        "head": llava.lm_head,
    }
    if finished(checkpoint, trained, steps):
        return
    generator = torch.Generator().manual_seed(seed)
    lessons = Lessons.prepare(clip, world, 12000, seed)
    device = llava.device
    accelerate(llava, llava.model.language_model)
    total = lessons.features.shape[1]

    def step(number: int) -> tuple[Tensor, float]:
        def draw(high: int, size: tuple[int, ...] = (1,)) -> Tensor:
            return torch.randint(high, size, generator=generator)

        thinned = number % 4 != 0
        keep = BUDGETS[int(draw(len(BUDGETS)))] if thinned else total
        size = 64 if keep < 50 else 40
        rows = draw(len(lessons.features), (size,))
        asked = torch.rand(size, sum(MIX.values()), generator=generator).topk(BLOCKS).indices  # [B, Q]
        tokens = lessons.tokens[rows].gather(1, asked[..., None].expand(-1, -1, QUESTION_LENGTH))
        length = lessons.length[rows].gather(1, asked)
        kept = subset(lessons.on_object[rows], keep, generator)
        inputs = (part.to(device) for part in (lessons.features[rows], kept, tokens, length))
        with torch.autocast(device.type, torch.bfloat16):
            logits, words = forward(llava, *inputs, compacted=bool(draw(2)))
            there = lessons.on_object[rows[:16]]
            projected = llava.model.multi_modal_projector(lessons.features[rows[:16]][there].to(device))
            placed = compass.of_patches(projected, lessons.centre[rows[:16]][there].to(device))
            named = compass.of_words(
                words, tokens.to(device), length.to(device), lessons.shape_place[rows].to(device)
            )
        target = answers(tokens, length).to(device)
        loss = F.cross_entropy(logits.float().flatten(0, 2), target.flatten()) + 3 * (placed + named)
        right = (logits[:, :, 0].argmax(-1) == target[..., 0]).float().mean().item()
        return loss, right

    train(
        f"language ({world})",
        trained,
        step,
        steps=steps,
        learning_rate=2.5e-3,
        generator=generator,
        checkpoint=checkpoint,
    )
