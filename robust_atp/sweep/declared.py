"""The record of what a study declared before it ran."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from robust_atp.declaration import Declaration
from robust_atp.sweep.keys import content_key, differences

FILE = "declaration.json"


@dataclass(frozen=True)
class Declared:
    """``analysis`` of a study as it stood when the folder was made; None where the study declared nothing."""

    analysis: Declaration | None
    recorded: str
    """UTC time."""
    units_before: int
    """Units that were on disk already: 0 where the declaration came before the records."""
    intact: bool = True
    """Whether the content still has the hash that was recorded with it."""

    @classmethod
    def now(cls, analysis: Declaration | None, units_before: int) -> "Declared":
        """A declaration made at this moment."""
        return cls(analysis, datetime.now(UTC).isoformat(timespec="seconds"), units_before)

    @classmethod
    def read(cls, folder: Path) -> "Declared | None":
        """What the folder of a study holds; None for folders made before declarations were recorded."""
        try:
            content = json.loads((folder / FILE).read_bytes())
        except FileNotFoundError:
            return None
        recorded_hash = content.pop("hash")
        analysis = None if content["analysis"] is None else Declaration(**content["analysis"])
        intact = content_key(content) == recorded_hash
        return cls(analysis, content["recorded"], content["units_before"], intact)

    @property
    def hash(self) -> str:
        """Of the declaration, its time and the number of units that were there."""
        return content_key(self._content())

    def to_json(self) -> str:
        """The content of the file."""
        return json.dumps(self._content() | {"hash": self.hash}, indent=1)

    def deviations(self, used: Declaration) -> list[str]:
        """Say in how far a report that uses ``used`` does not do what was declared."""
        found = [] if self.intact else [f"{FILE} was changed after it was recorded."]
        if self.analysis is None:
            if used != Declaration():
                changed = differences(_plain(Declaration()), _plain(used), "analysis")
                found.append(f"Set after the records were made, nothing was declared: {'; '.join(changed)}.")
            return found
        if self.units_before:
            found.append(f"The analysis was declared when {self.units_before} units had been answered.")
        changed = differences(_plain(self.analysis), _plain(used), "analysis")
        return found + [f"Declared and then changed: {change}." for change in changed]

    def _content(self) -> dict:
        analysis = None if self.analysis is None else _plain(self.analysis)
        return {"analysis": analysis, "recorded": self.recorded, "units_before": self.units_before}


def _plain(declaration: Declaration) -> dict:
    return declaration.model_dump(mode="json")
