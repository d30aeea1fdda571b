"""What a checkpoint brings along beside its weights: prompt, answer length, matching CLIP model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from robust_atp.backbones.loading import BackboneSpec
from robust_atp.backbones.tasks import MAX_NEW_TOKENS, Asking, check_prompt
from robust_atp.errors import UserError
from robust_atp.tasks import TASKS


@dataclass(frozen=True)
class Settings:
    """Resolved settings: what the study says, else ``robust_atp.json`` in the folder, else the family's own."""

    asking: Mapping[str, Asking]  # by task
    clip: str | None  # hub id or folder of the CLIP model, None if there is no matching one

    @property
    def prompts(self) -> Mapping[str, str]:
        """The template of each task."""
        return {task: asking.prompt for task, asking in self.asking.items()}

    @classmethod
    def resolve(
        cls, source: str, spec: BackboneSpec, prompts: Mapping[str, str] | None, clip: str | None
    ) -> "Settings":
        """Settings of the checkpoint in folder or hub id ``source``; ``UserError`` for a malformed file.

        ``prompts`` by task and ``clip`` are what holds if nobody says anything else.
        """
        own = _read(Path(source) / "robust_atp.json")
        asking = {task: _asking(task, spec, own, prompts or {}) for task in TASKS}
        return cls(asking, matching_clip(source, spec, clip))


def _asking(task: str, spec: BackboneSpec, own: Mapping[str, Any], prompts: Mapping[str, str]) -> Asking:
    chosen = spec.prompt.get(task) if isinstance(spec.prompt, Mapping) else spec.prompt
    prompt = chosen or own.get("prompt") or prompts.get(task)
    if prompt is None:
        raise UserError(f"backbone '{spec.id}' has no chat template: say how to ask with its option prompt")
    limit = spec.max_new_tokens or own.get("max_new_tokens") or MAX_NEW_TOKENS[task]
    return Asking(check_prompt(prompt, task), int(limit))


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
