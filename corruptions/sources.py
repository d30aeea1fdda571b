"""Python code that a user points at by name."""

import importlib
import importlib.util
import sys
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from types import ModuleType

from corruptions.errors import CorruptionError

# Two threads asking for one file: the second must not find it half executed.
_loading = RLock()


def load_source(reference: str) -> tuple[ModuleType, str]:
    """Split ``"package.module:name"`` or ``"path/to/file.py:name"`` and import the left half, once."""
    source, _, attribute = reference.rpartition(":")
    if not source or not attribute:
        raise CorruptionError(f"corruption '{reference}' must read 'module:name' or 'path/to/file.py:name'")
    if source.endswith(".py"):
        with _loading:
            return _load_file(Path(source).expanduser().resolve(), reference), attribute
    try:
        return importlib.import_module(source), attribute
    except ModuleNotFoundError as error:
        raise CorruptionError(f"corruption '{reference}' cannot be imported: {error}") from error


def _load_file(path: Path, reference: str) -> ModuleType:
    # The path is part of the module's name, so two files called mine.py do not overwrite each other.
    name = f"{path.stem}_{blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise CorruptionError(f"corruption '{reference}': there is no file {path}")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
