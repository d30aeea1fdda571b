"""What a checkpoint brings along beside its weights: prompt, answer length, matching CLIP model."""

import json
from dataclasses import dataclass
from pathlib import Path

from robust_atp.backbones.loading import BackboneSpec
from robust_atp.backbones.prompt import check_template
from robust_atp.errors import UserError


@dataclass(frozen=True)
class Settings:
    """Resolved settings: what the study says, else ``robust_atp.json`` in the folder, else the family's own."""

    prompt: str
    max_new_tokens: int
    clip: str | None  # hub id or folder of the CLIP model, None if there is no matching one

    @classmethod
    def resolve(cls, source: str, spec: BackboneSpec, prompt: str, clip: str | None) -> "Settings":
        """Settings of the checkpoint in folder or hub id ``source``; ``UserError`` for a malformed file.

        ``prompt`` and ``clip`` are what holds if nobody says anything else.
        """
        own = _read(Path(source) / "robust_atp.json")
        return cls(
            prompt=check_template(spec.prompt or own.get("prompt", prompt)),
            max_new_tokens=int(spec.max_new_tokens or own.get("max_new_tokens", 16)),
            clip=spec.clip or _own_clip(source) or clip,
        )


def _read(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error


def _own_clip(source: str) -> str | None:
    folder = Path(source) / "clip"
    return str(folder) if folder.is_dir() else None
