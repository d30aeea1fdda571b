"""What a study is: the closed schema of a study file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from corruptions import names as corruption_names
from corruptions.registry import SUBSETS, find
from robust_atp.backbones.tasks import check_prompt
from robust_atp.data import DatasetConfig
from robust_atp.declaration import Declaration
from robust_atp.errors import UserError, unknown
from robust_atp.probes.controls import CONTROLS
from robust_atp.registry import Registry
from robust_atp.sweep.experiments import EXPERIMENTS
from robust_atp.tasks import SHORT_ANSWER, TASKS

# "registered" is no group: what it stands for differs from one process to another.
_GROUPS = tuple(subset for subset in SUBSETS if subset != "registered")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BackboneConfig(_Closed):
    """A backbone: a shipped name, a Hub id or a folder, with all that decides its answers.

    ``name`` is what the records call it; by default the last part of ``id``.
    """

    id: str
    name: str
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "cpu"
    device_map: str | dict[str, Any] | None = None
    """Instead of ``device``: how ``from_pretrained`` spreads the weights, e.g. ``auto``."""
    quantization: dict[str, Any] | None = None
    """A ``quantization_config`` as transformers writes it into ``config.json``, passed through."""
    clip: str | None = None
    prompt: str | dict[str, str] | None = None
    """How to ask, instead of the family's own way: a template, or one by task (``short answer``, ``caption``)."""
    max_new_tokens: int | None = Field(default=None, ge=1)
    options: dict[str, Any] = Field(default_factory=dict)
    """What only this family of backbones has, e.g. ``{preprocessing: pad}`` for LLaVA-1.5."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        value = {"id": value} if isinstance(value, str) else value
        if isinstance(value, dict) and isinstance(value.get("id"), str):
            value = {"name": Path(value["id"]).name, **value}
        return value

    @field_validator("prompt")
    @classmethod
    def _asks(cls, prompt: str | dict[str, str] | None) -> str | dict[str, str] | None:
        by_task = {SHORT_ANSWER: prompt} if isinstance(prompt, str) else prompt or {}
        with _as_value_error():
            for task, template in by_task.items():
                if task not in TASKS:
                    raise unknown("task", task, TASKS)
                check_prompt(template, task)
        return prompt

    @field_validator("device_map")
    @classmethod
    def _instead_of_device(cls, device_map: Any, info: ValidationInfo) -> Any:
        if device_map is not None and info.data.get("device", "cpu") != "cpu":
            raise ValueError(f"give device or device_map, not both; device is '{info.data['device']}'")
        return device_map


class PrunerConfig(_Closed):
    """A pruning method with the options that differ from its defaults, e.g. ``{name: atp, alpha: 0.7}``."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "options" not in value:
            options = {key: option for key, option in value.items() if key != "name"}
            return {key: value[key] for key in ("name",) if key in value} | {"options": options}
        return value

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str, info: ValidationInfo) -> str:
        if info.context is not None:
            from robust_atp.pruning import PRUNERS

            _known(name, PRUNERS)
        return name

    @field_validator("options")
    @classmethod
    def _fit_the_pruner(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        # Imports torch, so a recorded study (no context) and a pruner without options go without.
        if info.context is not None and options and "name" in info.data:
            from robust_atp.pruning import label

            with _as_value_error():
                label(info.data["name"], options)
        return options


def _known(name: str, registry: Registry[Any]) -> str:
    if name not in registry.names() and ":" not in name:
        raise ValueError(str(unknown(registry.kind, name, registry.names())))
    return name


@contextmanager
def _as_value_error() -> Iterator[None]:
    """Let pydantic collect a ``UserError`` together with everything else that is wrong."""
    try:
        yield
    except UserError as error:
        raise ValueError(str(error)) from None


def _known_corruption(name: str, info: ValidationInfo) -> str:
    allowed = [*corruption_names("registered"), *_GROUPS]
    if ":" in name and info.context is not None:
        find(name)  # imports the user's module: a CorruptionError says what is wrong with it
    elif ":" not in name and name not in allowed:
        raise ValueError(str(unknown("corruption or group", name, allowed)))
    return name


def _expand_groups(corruptions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        name for entry in corruptions for name in (corruption_names(entry) if entry in _GROUPS else [entry])
    )


def _no_repeats(values: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [getattr(value, "name", value) for value in values]
    repeated = sorted({str(name) for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"must not repeat {', '.join(repeated)}")
    return values


def _listed(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


T = TypeVar("T")
# An axis of the grid: a list, or one value standing for a list of one.
Axis = Annotated[tuple[T, ...], BeforeValidator(_listed), AfterValidator(_no_repeats)]
Corruption = Annotated[str, AfterValidator(_known_corruption)]
Control = Annotated[str, AfterValidator(lambda name: _known(name, CONTROLS))]
Experiment = Annotated[str, AfterValidator(lambda name: _known(name, EXPERIMENTS))]
# Strict, because YAML reads `yes` as a boolean and Python takes a boolean for the number 1.
Severity = Annotated[int, Field(strict=True, ge=1, le=5)]
Keep = Annotated[float, Field(gt=0, le=1)]
Seed = Annotated[int, Field(strict=True, ge=0)]


class Grid(_Closed):
    """The axes whose product is the plan. Clean images, the unpruned model and random pruning always join."""

    corruption: Annotated[Axis[Corruption], AfterValidator(_expand_groups), AfterValidator(_no_repeats)] = ()
    severity: Axis[Severity] = (1, 2, 3, 4, 5)
    control: Axis[Control] = ()
    pruner: Annotated[tuple[PrunerConfig, ...], BeforeValidator(_listed)] = ()
    keep: Annotated[Axis[Keep], Field(min_length=1)]
    experiment: Axis[Experiment] = ()
    """What makes arms answer again, from tokens that are not their own choice: see ``robust-atp list experiments``."""
    budget: Literal["tokens", "mean_tokens", "prefill_flops"] = "tokens"
    """What ``keep`` is a share of: tokens as each method counts them, visual tokens averaged over the decoder's
    layers, or floating-point operations spent on visual tokens in the decoder's prefill."""

    @field_validator("pruner")
    @classmethod
    def _differ(cls, pruners: tuple[PrunerConfig, ...]) -> tuple[PrunerConfig, ...]:
        # The same method twice is fine as long as its options differ.
        _no_repeats(tuple(f"{pruner.name} {pruner.options or ''}".rstrip() for pruner in pruners))
        return pruners


class Study(_Closed):
    """Everything that decides the records, and how they will be judged: no worker counts, no output folder."""

    name: str = Field(min_length=1)
    seed: Seed = 0
    """Seed of random pruning and of control images."""
    backbones: Annotated[Axis[BackboneConfig], Field(min_length=1)]
    data: tuple[SerializeAsAny[DatasetConfig], ...] = Field(min_length=1)
    grid: Grid
    noise_seeds: Annotated[Axis[Seed], Field(min_length=1)] = (0,)
    """Seeds of the corruptions; each makes its own units."""
    position_policy: Literal["original", "compacted"] | None = None
    """None: each pruner's own default."""
    record: Axis[Literal["scores"]] = ()
    """Columns that are too large to record unasked."""
    shard_images: int = Field(default=16, ge=1)
    """Images in a unit. Decides what is batched together, and so the last bits of log-probabilities."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of a worker: they decide the order of a sum, and so its last bits."""
    analysis: Declaration | None = None
    """How the records will be judged; it decides none of them, so changing it runs nothing again."""

    @field_validator("data")
    @classmethod
    def _one_entry_per_split(cls, data: tuple[DatasetConfig, ...]) -> tuple[DatasetConfig, ...]:
        _no_repeats(tuple(f"{config.name} {config.split}" for config in data))
        return data
