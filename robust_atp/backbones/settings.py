"""What a checkpoint brings along beside its weights: prompt, answer length, matching CLIP model."""

import json
from dataclasses import dataclass
from pathlib import Path

from robust_atp.backbones.loading import BackboneSpec
from robust_atp.backbones.prompt import check_template
from robust_atp.backbones.tasks import MAX_NEW_TOKENS, template_for
from robust_atp.errors import UserError

_PROMPT_OF_LLAVA_15 = (
    "USER: <image>\n{question}\nAnswer the question using a single word or phrase. ASSISTANT:"
)
_CLIP_OF_LLAVA_15 = "openai/clip-vit-large-patch14-336"


@dataclass(frozen=True)
class Settings:
    """Resolved settings: what the study says, else ``robust_atp.json`` in the folder, else LLaVA-1.5's."""

    prompt: str
    max_new_tokens: int
    clip: str | None  # hub id or folder of the CLIP model, None if there is no matching one

    @classmethod
    def resolve(cls, source: str, spec: BackboneSpec) -> "Settings":
        """Settings of the checkpoint in folder or hub id ``source``; ``UserError`` for a malformed file."""
        own = _read(Path(source) / "robust_atp.json")
        return cls(
            prompt=check_template(
                spec.prompt or own.get("prompt") or template_for(spec.task, _PROMPT_OF_LLAVA_15)
            ),
            max_new_tokens=int(
                spec.max_new_tokens or own.get("max_new_tokens") or MAX_NEW_TOKENS[spec.task]
            ),
            clip=spec.clip or _matching_clip(source),
        )


def _read(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error


def _matching_clip(source: str) -> str | None:
    if (Path(source) / "clip").is_dir():
        return str(Path(source) / "clip")
    return _CLIP_OF_LLAVA_15 if source.startswith("llava-hf/llava-1.5-") else None
