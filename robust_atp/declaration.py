"""What a study says, before it runs, about how its records will be judged."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

# Endpoint -> what it asks of an arm, in the words of the report.
ENDPOINTS: Mapping[str, str] = {
    "mean_excess_drop": "the mean excess drop is not 0",
    "mean_excess_noninferiority": "the mean excess drop stays below the margin",
    "clean_noninferiority": "the loss on clean images stays below the margin",
    "corrupted_noninferiority": "the mean loss on corrupted images stays below the margin",
    "worst_cell_noninferiority": "the loss stays below the margin in every cell (intersection-union)",
    "clean_retention": "the declared share of clean accuracy is retained",
    "severity_slope": "the loss grows or shrinks with severity",
}

Endpoint = Literal[
    "mean_excess_drop",
    "mean_excess_noninferiority",
    "clean_noninferiority",
    "corrupted_noninferiority",
    "worst_cell_noninferiority",
    "clean_retention",
    "severity_slope",
]


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _no_repeats(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    if repeated := sorted({name for name in endpoints if endpoints.count(name) > 1}):
        raise ValueError(f"must not repeat {', '.join(repeated)}")
    return endpoints


class Declaration(BaseModel):
    """The ``analysis`` section of a study file. It decides how records are judged, never what they are.

    A study records it before its first unit; a report lists whatever it does otherwise. Intervals of figures and
    of descriptive tables (accuracy, loss, excess drop, probes) are those of 95 % whatever is declared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Level of every test, one-sided for non-inferiority, after correction within its family."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Of the two-sided intervals of the tables noninferiority, robustness and severity_slope."""
    draws: Annotated[int, Field(strict=True, ge=200)] = 2000
    """Bootstrap replicates behind the robustness metrics."""
    seed: Annotated[int, Field(strict=True, ge=0)] = 0
    """Of those replicates and of the sign flips of maxT."""
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Largest loss that still counts as none, as a share: 0.01 is one point, "less than 1 % lost"."""
    margin_reason: str = ""
    """Why this margin; printed in the report."""
    retained: Annotated[float, Field(gt=0, lt=1)] = 0.99
    """Share of the unpruned model's accuracy that must be retained: the margin on the relative scale."""
    primary: Annotated[
        tuple[Endpoint, ...],
        BeforeValidator(_listed),
        AfterValidator(_no_repeats),
        Field(min_length=1, max_length=3),
    ] = ("mean_excess_drop", "clean_noninferiority", "worst_cell_noninferiority")
    """Endpoints of the study's conclusions: Holm over endpoints × methods of a backbone and data set."""
    secondary: Literal["maxt", "holm"] = "maxt"
    """Correction of the excess drop by corruption, over corruptions × methods of a backbone and data set."""
