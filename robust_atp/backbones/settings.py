"""What a checkpoint brings along beside its weights: prompt, answer length, matching CLIP model."""

import json
from dataclasses import dataclass
from pathlib import Path

from robust_atp.backbones.loading import BackboneSpec
from robust_atp.backbones.prompt import check_template
from robust_atp.backbones.tasks import MAX_NEW_TOKENS, template_for
from robust_atp.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Resolved settings: what the study says, else ``robust_atp.json`` in the folder, else the family's own."""

    prompt: str
    max_new_tokens: int
    clip: str | None  # hub id or folder of the CLIP model, None if there is no matching one

    @classmethod
    def resolve(cls, source: str, spec: BackboneSpec, prompt: str | None, clip: str | None) -> "Settings":
        """Settings of the checkpoint in folder or hub id ``source``; ``UserError`` for a malformed file.

        ``prompt`` and ``clip`` are what holds if nobody says anything else.
        """
        own = _read(Path(source) / "robust_atp.json")
        template = spec.prompt or own.get("prompt") or (prompt and template_for(spec.task, prompt))
        if template is None:
            raise UserError(
                f"backbone '{spec.id}' has no chat template: say how to ask with its option prompt"
            )
        return cls(
            prompt=check_template(template),
            max_new_tokens=int(spec.max_new_tokens or own.get("max_new_tokens") or MAX_NEW_TOKENS[spec.task]),
            clip=matching_clip(source, spec, clip),
        )


def matching_clip(source: str, spec: BackboneSpec, published: str | None) -> str | None:
    """Hub id or folder of the CLIP model that a vision tower comes from; None if nobody knows one."""
    own = Path(source) / "clip"
    return spec.clip or (str(own) if own.is_dir() else published)


def _read(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
