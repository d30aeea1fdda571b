"""Named things of one kind, imported when they are first asked for."""

import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from robust_atp.errors import UserError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to ``"module:object"`` strings, so that listing names imports neither torch nor ray.

    A name is looked up in the table given here, then among the entry points of installed packages
    (group ``robust_atp.<kind>s``), and a name that contains a colon is imported as ``module:object``,
    which is how a study file reaches a user's own code.
    """

    def __init__(self, kind: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self._table = dict(table)

    def names(self) -> list[str]:
        """All registered names: our own in table order, then those of installed packages."""
        plugins = [point.name for point in entry_points(group=f"robust_atp.{self.kind}s")]
        return [*self._table, *sorted(set(plugins) - set(self._table))]

    def get(self, name: str) -> T:
        """Return the object behind ``name``; ``UserError`` with the nearest name if there is none."""
        if name in self._table:
            return self._load(name, self._table[name])
        for point in entry_points(group=f"robust_atp.{self.kind}s", name=name):
            return self._load(name, point.value)
        if ":" in name:
            return self._load(name, name)
        raise unknown(self.kind, name, self.names())

    def _load(self, name: str, target: str) -> T:
        module, _, attribute = target.partition(":")
        try:
            return cast(T, getattr(importlib.import_module(module), attribute))
        except (ModuleNotFoundError, AttributeError) as error:
            raise UserError(f"{self.kind} '{name}' cannot be loaded from '{target}': {error}") from error
