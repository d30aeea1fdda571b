"""A Llama decoder written out in plain matrix products: one prompt, no cache, no padding, tokens in lists.

The oracle for everything that happens inside the decoder. It shares no code with the package or transformers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Layer:
    """What one layer did to one prompt."""

    entering: Tensor  # [T, D]
    attention: Tensor  # [H, T, T]
    keys: Tensor  # [kv heads, T, d], rotated
    into: list[Tensor]  # normed input of attention and of MLP, [T, D] each
    out: list[Tensor]  # what attention and MLP add, [T, D] each
    leaving: Tensor  # [T, D]


@dataclass
class Scene:
    """What a naive rule sees: all layers so far, and which of the tokens are visual."""

    prompt: Tensor  # [T₀, D] as it entered the decoder
    start: int  # first visual token
    total: int  # visual tokens in the prompt
    count: int  # visual tokens that are left
    layers: list[Layer]
    alive: list[list[int]]  # for every layer, the tokens it saw, as numbers (merged ones from 10_000)
    following: Layer  # the next layer run on what is left, nothing dropped

    @property
    def stop(self) -> int:
        return self.start + self.count


# (indices among the visual tokens left, rows of merged tokens, index whose position each takes over)
Choice = tuple[list[int], list[Tensor], list[int]]
Choose = Callable[[Scene, int], Choice]


def run(decoder, prompt, positions, visual, cuts, choose, policy, extra=None, adaptive=False):
    """Pass a prompt and the answer so far (embeddings ``extra``) through all layers.

    ``choose`` is asked if more than a cut's count are left, if ``adaptive`` whenever the count is not everything.
    Returns the last hidden state after the final norm, the numbers of the visual tokens kept at each cut and
    the visual tokens each layer saw.
    """
    cuts = dict(cuts)
    start, total = visual.start, visual.stop - visual.start
    answer = 0 if extra is None else len(extra)
    hidden = prompt if extra is None else torch.cat([prompt, extra])
    places = [int(p) for p in positions] + [int(positions[-1]) + 1 + i for i in range(answer)]
    alive, count = list(range(len(hidden))), total
    layers: list[tuple[Layer, int]] = []
    seen: list[list[int]] = []
    kept, per_layer = [], []
    for depth, layer in enumerate(decoder.layers):
        if depth in cuts:
            size = len(hidden) - answer
            if cuts[depth] < (total if adaptive else count):
                following = one_layer(decoder, layer, hidden[:size], places[:size])
                trimmed = [trim(each, size_of) for each, size_of in layers]
                scene = Scene(prompt, start, total, count, trimmed, seen, following)
                indices, merged, at = choose(scene, cuts[depth])
                rows = [start + i for i in indices]
                order = [*range(start), *rows, *[start + i for i in at], *range(start + count, len(hidden))]
                new = hidden[order].clone()
                for number, row in enumerate(merged):
                    new[start + len(indices) + number] = row
                names = [10_000 + i if start + len(indices) <= i < start + len(indices) + len(at) else alive[o]
                         for i, o in enumerate(order)]  # fmt: skip
                hidden, alive, count = new, names, len(indices) + len(at)
                places = list(range(len(order))) if policy == "compacted" else [places[o] for o in order]
            kept.append([a - start for a in alive[start : start + count] if a < 10_000])
        result = one_layer(decoder, layer, hidden, places)
        layers.append((result, len(hidden) - answer))
        seen.append(list(alive[: len(hidden) - answer]))
        per_layer.append(count)
        hidden = result.leaving
    return rms(hidden[-1:], decoder.norm)[0], kept, per_layer


def one_layer(decoder, layer, hidden, places):
    """Attention row by row, each query seeing itself and what stands before it."""
    config, attn = decoder.config, layer.self_attn
    heads, kv = config.num_attention_heads, config.num_key_value_heads
    dim = attn.q_proj.weight.shape[0] // heads
    normed = rms(hidden, layer.input_layernorm)
    queries, keys, values = (
        (normed @ projection.weight.T).reshape(len(hidden), -1, dim)
        for projection in (attn.q_proj, attn.k_proj, attn.v_proj)
    )  # [T, heads, dim]
    theta = config.rope_parameters["rope_theta"]
    queries, keys = rotate(queries, places, theta), rotate(keys, places, theta)
    attention = torch.zeros(heads, len(hidden), len(hidden))
    mixed = torch.zeros(len(hidden), heads, dim)
    for head in range(heads):
        group = head * kv // heads
        for t in range(len(hidden)):
            logits = keys[: t + 1, group] @ queries[t, head] / dim**0.5
            attention[head, t, : t + 1] = (
                torch.exp(logits - logits.max()) / torch.exp(logits - logits.max()).sum()
            )
            mixed[t, head] = attention[head, t, : t + 1] @ values[: t + 1, group]
    added = mixed.reshape(len(hidden), -1) @ attn.o_proj.weight.T
    middle = hidden + added
    second = rms(middle, layer.post_attention_layernorm)
    gate = second @ layer.mlp.gate_proj.weight.T
    mlp = (
        gate / (1 + torch.exp(-gate)) * (second @ layer.mlp.up_proj.weight.T)
    ) @ layer.mlp.down_proj.weight.T
    return Layer(hidden, attention, keys.transpose(0, 1), [normed, second], [added, mlp], middle + mlp)


def rms(x, norm):
    return x / (x.pow(2).mean(-1, keepdim=True) + norm.variance_epsilon).sqrt() * norm.weight


def rotate(x, places, theta):
    """Rotary embedding of [T, heads, dim], halves of the dimension paired."""
    dim = x.shape[-1]
    turned = torch.empty_like(x)
    for i in range(dim // 2):
        angle = torch.tensor([place * theta ** (-2 * i / dim) for place in places])[:, None]
        a, b = x[..., i], x[..., i + dim // 2]
        turned[..., i] = a * angle.cos() - b * angle.sin()
        turned[..., i + dim // 2] = b * angle.cos() + a * angle.sin()
    return turned


def trim(layer, size):
    """Leave out the tokens of the answer: the choice is made on the prompt."""
    return Layer(
        layer.entering[:size], layer.attention[:, :size, :size], layer.keys[:, :size],
        [x[:size] for x in layer.into], [x[:size] for x in layer.out], layer.leaving[:size],
    )  # fmt: skip


@torch.no_grad()
def answer(backbone, features, question, cuts, choose, policy, max_new_tokens=4, adaptive=False):
    """Greedy answer of a backbone's decoder: (token ids, first log-probabilities, kept per cut, per layer)."""
    from tiny_llava import TEMPLATE

    decoder, head = backbone.model.model.language_model, backbone.model.lm_head
    ids = backbone.processor.tokenizer(TEMPLATE.replace("{question}", question))["input_ids"]
    image = ids.index(4)
    embed = decoder.embed_tokens.weight
    prompt = torch.cat([embed[ids[:image]], features, embed[ids[image + 1 :]]])
    visual, positions = slice(image, image + len(features)), torch.arange(len(prompt))
    tokens, first, extra = [], None, None
    kept, per_layer = [], []
    for step in range(max_new_tokens):
        hidden, *ways = run(decoder, prompt, positions, visual, cuts, choose, policy, extra, adaptive)
        if step == 0:
            kept, per_layer = ways
        logits = head.weight @ hidden
        first = logits.log_softmax(-1) if first is None else first
        token = int(logits.argmax())
        if token == 2:
            break
        tokens.append(token)
        extra = embed[tokens]
    return tuple(tokens), first, kept, per_layer
