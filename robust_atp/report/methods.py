"""The methods paragraph: what a paper must say about a study, ready to paste."""

from collections.abc import Mapping, Sequence
from typing import Any

from robust_atp.declaration import ENDPOINTS, Declaration
from robust_atp.query import Records, query
from robust_atp.report.order import by_family, readable

_METRICS = {
    "vqa": "the official VQA accuracy over ten answers",
    "gqa": "GQA's exact match",
    "pope": "POPE's yes/no accuracy",
    "cider": "CIDEr-D divided by 10",
    "exact": "exact match",
}


def methods_text(
    records: Records,
    manifest: Mapping[str, Any],
    declaration: Declaration,
    standing: str,
    record: Mapping[str, Any],
) -> str:
    """Backbones with revisions, data, arms, corruptions, metric, statistics, declaration and versions, as prose.

    Plain text, one paragraph per line. Everything is taken from the records, from what decided them
    (``manifest["identity"]``) and from the declaration, of which ``record`` says what was declared and what was done
    otherwise; nothing is said that they do not hold.
    """
    paragraphs = [
        _sample(records, manifest),
        _conditions(records),
        _statistics(declaration),
        _declared(declaration, standing, record),
        _provenance(manifest),
    ]
    return "\n\n".join(" ".join(sentences) for sentences in paragraphs) + "\n"


def _sample(records: Records, manifest: Mapping[str, Any]) -> list[str]:
    revisions = manifest["identity"].get("backbones", {})
    names = query(records, "SELECT DISTINCT backbone FROM records ORDER BY ALL")["backbone"]
    backbones = [_backbone(name, revisions.get(name, {})) for name in names]
    data = query(
        records,
        """
        SELECT dataset, split, count(DISTINCT question_id) AS questions, count(DISTINCT image_id) AS images,
               first(metric ORDER BY metric) AS metric
        FROM records GROUP BY ALL ORDER BY ALL
        """,
    )
    sets = [
        f"{row.dataset} ({row.split}; {row.questions:,} questions on {row.images:,} images)"
        for row in data.itertuples()
    ]
    return [
        f"We evaluated {_and(backbones)} on {_and(sets)}.",
        f"Answers were scored by {_and(sorted({_metric(metric) for metric in data['metric']}))}.",
    ]


def _backbone(name: str, identity: Mapping[str, Any]) -> str:
    about = [
        *([str(identity["id"])] if identity.get("id", name) != name else []),
        *([f"revision {identity['revision']}"] if identity.get("revision") else []),
        *([str(identity["dtype"])] if identity.get("dtype") else []),
    ]
    return f"{name} ({', '.join(about)})" if about else name


def _metric(metric: str) -> str:
    name, _, harness = metric.partition(":")
    return _METRICS.get(name, name) + (f" as modified by {harness}" if harness else "")


def _conditions(records: Records) -> list[str]:
    conditions = query(records, "SELECT DISTINCT intervention, severity, noise_seed FROM records")
    bad = conditions[conditions["severity"] > 0]
    controls = sorted(set(conditions.loc[conditions["severity"] == 0, "intervention"]) - {"clean"})
    arms = query(
        records,
        """
        SELECT pruner, keep, first(position_policy ORDER BY position_policy) AS policy, avg(tokens_mean) AS tokens
        FROM records WHERE pruner <> 'none' GROUP BY pruner, keep ORDER BY ALL
        """,
    )
    methods = list(dict.fromkeys(arms["pruner"]))
    found = []
    if methods:
        keeps = _and([f"{100 * keep:.3g} %" for keep in sorted(set(arms["keep"]), reverse=True)])
        policies = _and([f"{policy} position ids" for policy in sorted(set(arms["policy"]))])
        fewest, most = f"{arms['tokens'].min():.0f}", f"{arms['tokens'].max():.0f}"
        span = fewest if fewest == most else f"{fewest} to {most}"
        found.append(
            f"Visual tokens were pruned with {_and(methods)} at nominal budgets of {keeps} ({policies}; {span} tokens "
            "averaged over the decoder's layers), beside the unpruned model; pruned tokens were dropped, not masked."
        )
    if len(bad):
        names = [readable(name) for name in by_family(set(bad["intervention"]))]
        levels = _and([str(level) for level in sorted(set(bad["severity"]))])
        seeds = len(set(bad["noise_seed"]))
        found.append(
            f"Every image was shown clean and under {len(names)} corruption{'s' if len(names) > 1 else ''} "
            f"({', '.join(names)}) at severity {levels}, with {seeds} noise seed{'s' if seeds > 1 else ''}; "
            "all arms saw byte-identical pixels."
        )
    if controls:
        found.append(f"Control images: {_and(controls)}.")
    return found


def _statistics(declaration: Declaration) -> list[str]:
    level = f"{100 * declaration.level:.3g} %"
    return [
        "The primary estimand is the excess drop, (A_arm,clean - A_arm,corrupted) - (A_unpruned,clean - "
        "A_unpruned,corrupted), computed question by question.",
        "The unit of independence is the image: differences carry clustered t intervals (df = images - 1), and ratios "
        f"(mCE, rPC) {level} percentile intervals from {declaration.draws:,} joint bootstrap draws of whole images "
        f"(seed {declaration.seed}).",
        "The severity × pruning interaction was fitted by least squares and by a GEE logit with independence working "
        "correlation, both with errors clustered by image.",
    ]


def _declared(declaration: Declaration, standing: str, record: Mapping[str, Any]) -> list[str]:
    margin = f"{100 * declaration.margin:.3g} point{'s' if declaration.margin != 0.01 else ''}"
    correction = {"maxt": "step-down maxT with sign flips of whole images", "holm": "Holm's procedure"}
    return [
        standing,
        f"Primary endpoints, at alpha = {declaration.alpha:g} after Holm's correction over endpoints and methods: "
        + "; ".join(ENDPOINTS[name] for name in declaration.primary)
        + ".",
        f"The non-inferiority margin was {margin}"
        + (f" ({declaration.margin_reason})" if declaration.margin_reason else "")
        + f"; on the relative scale {100 * declaration.retained:.3g} % of the unpruned accuracy had to be retained.",
        f"Excess drops by corruption were corrected by {correction[declaration.secondary]}; those of single cells "
        "are exploratory (Benjamini-Hochberg).",
        *([f"Deviations: {' '.join(record['deviations'])}"] if record["deviations"] else []),
        *(["Nothing deviates from it."] if record["declared"] and not record["deviations"] else []),
    ]


def _provenance(manifest: Mapping[str, Any]) -> list[str]:
    made = manifest["environment"].get("records", {})
    versions = [f"{name} {made[name]}" for name in ("torch", "transformers") if name in made]
    tool = manifest["tool"]
    software = _and([f"{tool['name']} {tool['version']}", *versions])
    return [f"Software: {software}. Result {manifest['result_id']}."]


def _and(parts: Sequence[str]) -> str:
    *head, last = parts
    return f"{', '.join(head)} and {last}" if head else last
