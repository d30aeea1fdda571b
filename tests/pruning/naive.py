"""The published formulas once more, in loops over Python floats, sharing no code with the package."""

import math

import torch


def head_mean(signal):
    """Mean over heads of a signal, as a list over tokens."""
    heads = signal.double().tolist()
    return [sum(head[i] for head in heads) / len(heads) for i in range(len(heads[0]))]


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(y * y for y in b))


def rank(scores, places=None):
    """Places in descending order of score, lower index first among equals."""
    places = range(len(scores)) if places is None else places
    return sorted(sorted(places), key=lambda i: -scores[i])


def half_up(value):
    return math.floor(value + 0.5 + 1e-9)


def rows(matrix):
    return matrix.double().tolist()


def mean_keys(tokens, layer):
    keys = tokens.signals[f"keys:{layer}"].double()
    return keys.mean(0).tolist()


def wide_keys(tokens, layer):
    keys = tokens.signals[f"keys:{layer}"].double()  # [H, N, d]
    return [[x for head in keys for x in head[i].tolist()] for i in range(keys.shape[1])]


def fastervlm(tokens, text, count):
    return set(rank(head_mean(tokens.signals["cls_attention:projected"]))[:count])


def vispruner(tokens, text, count, important=0.5, step=8):
    order = rank(head_mean(tokens.signals["cls_attention:projected"]))
    features = rows(tokens.signals["tower_features"])
    first = math.floor(count * important + 1e-9)
    kept, pool = order[:first], order[first:]
    wanted = count - first
    while len(pool) > wanted and wanted > 0:
        even = [place for number, place in enumerate(pool) if number % 2 == 0]
        odd = [place for number, place in enumerate(pool) if number % 2 == 1]
        likeness = {e: max(cosine(features[e], features[o]) for o in odd) for e in even}
        victims = sorted(even, key=lambda e: -likeness[e])[: min(step, len(pool) - wanted)]
        pool = [place for place in pool if place not in victims]
    return set(kept + pool[:wanted])


def divprune(tokens, text, count):
    features = rows(tokens.features)
    total = len(features)
    distance = [[1 - cosine(a, b) for b in features] for a in features]
    nearest = [min([distance[i][j] for j in range(total) if j != i], default=0.0) for i in range(total)]
    chosen = [rank(nearest)[0]]
    while len(chosen) < count:
        left = [i for i in range(total) if i not in chosen]
        gaps = {i: min(distance[i][j] for j in chosen) for i in left}
        chosen.append(rank(gaps, left)[0])
    return set(chosen)


def cdpruner(tokens, text, count, theta=None):
    """By determinants of ever larger matrices, not by the incremental Cholesky factor."""
    patches, question = rows(tokens.signals["joint_patches"]), text[0].double().tolist()
    relevance = [-cosine(patch, question) for patch in patches]
    low, high = min(relevance), max(relevance)
    quality = [(value - low) / (high - low) for value in relevance]
    if theta is not None:
        quality = [math.exp(theta / (2 * (1 - theta)) * value) for value in quality]
    features = rows(tokens.features)
    total = len(features)
    kernel = torch.tensor(
        [
            [quality[i] * cosine(features[i], features[j]) * quality[j] for j in range(total)]
            for i in range(total)
        ],
        dtype=torch.float64,
    )
    chosen: list[int] = []
    while len(chosen) < count:
        left = [i for i in range(total) if i not in chosen]
        volume = {i: float(torch.linalg.det(kernel[[*chosen, i]][:, [*chosen, i]])) for i in left}
        # Without relevance all first gains are 1, but for the last bits of the norms.
        chosen.append(rank({i: round(value, 12) for i, value in volume.items()}, left)[0])
    return set(chosen)


def hiprune(tokens, text, count, alpha=0.1, layer="3/8", wrap=False):
    height, width = tokens.grid
    anchors = rank(head_mean(tokens.signals[f"received_attention:{layer}"]))[: half_up(count * alpha / 5)]
    candidates = list(anchors)
    for anchor in anchors:
        row, column = anchor // width, anchor % width
        if wrap:
            steps = [anchor - 1, anchor + 1, anchor - width, anchor + width]
            candidates += [max(0, min(height * width - 1, place)) for place in steps]
            continue
        for r, c in ((row, column - 1), (row, column + 1), (row - 1, column), (row + 1, column)):
            if 0 <= r < height and 0 <= c < width:
                candidates.append(r * width + c)
    kept: list[int] = []
    for place in candidates + rank(head_mean(tokens.signals["received_attention:projected"])):
        if place not in kept and len(kept) < count:
            kept.append(place)
    return set(kept)


def centre_crop(tokens, text, count):
    height, width = tokens.grid

    def off_centre(place):
        row, column = divmod(place, width)
        return round(max(abs(row - (height - 1) / 2) / height, abs(column - (width - 1) / 2) / width), 12)

    return set(sorted(range(height * width), key=off_centre)[:count])


# Merging methods give what each kept position holds before the projector: {position: vector}.


def plus(a, b, weight=1.0):
    return [x + weight * y for x, y in zip(a, b, strict=True)]


def mean(vectors):
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def visionzip(tokens, text, count, contextual=10 / 64, mixture="sum"):
    order = rank(head_mean(tokens.signals["cls_attention:projected"]))
    tower, keys = rows(tokens.signals["tower_features"]), mean_keys(tokens, "projected")
    targets_wanted = half_up(contextual * count)
    dominant = order[: count - targets_wanted]
    rest = sorted(set(order) - set(dominant))
    targets = []
    if targets_wanted:
        step = max(1, len(rest) // targets_wanted)
        targets = [rest[number * step] for number in range(targets_wanted)]
    joined: dict[int, list[torch.Tensor]] = {target: [] for target in targets}
    for place in sorted(set(rest) - set(targets)) if targets else []:
        likeness = {target: cosine(keys[place], keys[target]) for target in targets}
        joined[rank(likeness, targets)[0]].append(tower[place])
    held = {place: tower[place] for place in dominant}
    for target, others in joined.items():
        if mixture == "mean":
            held[target] = mean([tower[target], *others])
        else:
            held[target] = plus(tower[target], mean(others)) if others else tower[target]
    return held


def box_plot_outliers(scores, whiskers=1.5):
    def quantile(share):
        place = share * (len(scores) - 1)
        low = sorted(scores)[math.floor(place)]
        high = sorted(scores)[math.ceil(place)]
        return low + (high - low) * (place - math.floor(place))

    first, third = quantile(0.25), quantile(0.75)
    return max(1, sum(score > third + whiskers * (third - first) for score in scores))


def weighted_neighbours(tokens, attention, centres, slot, neighbours=32, candidates="all"):
    tower, keys = rows(tokens.signals["tower_features"]), wide_keys(tokens, "last")
    total, width = len(tower), len(tower[0])
    held = {}
    for centre in centres:
        others = [i for i in range(total) if i != centre and (candidates == "all" or i not in centres)]
        likeness = {i: cosine(keys[centre], keys[i]) for i in others}
        held[centre] = list(tower[centre])
        for other in rank(likeness, others)[:neighbours]:
            held[centre] = plus(held[centre], tower[other], attention[other])
    if slot is not None:
        held[slot] = [0.0] * width
        for other in set(range(total)) - set(centres):
            held[slot] = plus(held[slot], tower[other], attention[other])
    return held


def prumerge(tokens, text, count, budget="adaptive", whiskers=1.5, summary=True, **merging):
    attention = head_mean(tokens.signals["single_head_cls_attention:last"])
    order = rank(attention)
    number = count - (summary and count > 1)
    if budget == "adaptive":
        number = box_plot_outliers(attention, whiskers)
    slot = order[number] if summary and (budget == "adaptive" or count > 1) else None
    return weighted_neighbours(tokens, attention, order[:number], slot, **merging)


def prumerge_plus(
    tokens, text, count, budget="adaptive", whiskers=1.5, attended=0.25, summary=True, **merging
):
    attention = head_mean(tokens.signals["single_head_cls_attention:last"])
    order, total = rank(attention), len(attention)
    if budget == "adaptive":
        number = box_plot_outliers(attention, whiskers)
        step = max(1, int(int(total / number) / 3))
        centres = set(order[:number]) | set(range(0, total, step))
    else:
        wanted = count - (summary and count > 1)
        best = order[: half_up(attended * wanted)]
        rest = sorted(set(order) - set(best))
        spaced = wanted - len(best)
        centres = set(best) | {rest[number * len(rest) // spaced] for number in range(spaced)}
    left = [place for place in order if place not in centres]
    slot = left[0] if summary and left and (budget == "adaptive" or count > 1) else None
    return weighted_neighbours(tokens, attention, centres, slot, **merging)


def tome(tokens, text, count):
    tower, keys = rows(tokens.signals["tower_features"]), mean_keys(tokens, "projected")
    groups = [[place] for place in range(len(tower))]  # the position of a group is that of its first member
    while len(groups) > count:
        excess = len(groups) - count
        a, b = groups[0::2], groups[1::2]
        key = [mean([keys[place] for place in group]) for group in a]
        other = [mean([keys[place] for place in group]) for group in b]
        edges = [max((cosine(k, o), -number) for number, o in enumerate(other)) for k in key]
        strongest = rank([edge[0] for edge in edges])[: min(excess, len(b))]
        for number in strongest:
            b[-edges[number][1]].extend(a[number])
        stays = [group for number, group in enumerate(a) if number not in strongest]
        groups = sorted(stays + b, key=lambda group: group[0])
    return {group[0]: mean([tower[place] for place in group]) for group in groups}


def spectral_count(matrix, tau, exponent=2):
    """First number of singular values whose energy reaches the share ``tau``."""
    energies = [float(value) ** exponent for value in torch.linalg.svdvals(matrix.double())]
    reached, count = 0.0, 0
    while reached < tau * sum(energies):
        reached += energies[count]
        count += 1
    return max(count, 1)
