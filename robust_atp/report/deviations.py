"""How a report stands to what its study declared before it ran."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from robust_atp.declaration import Declaration
from robust_atp.errors import UserError
from robust_atp.problems import complain, problems_of
from robust_atp.query import Records, query

if TYPE_CHECKING:
    from robust_atp.sweep.results import Results


def used_declaration(results: "Results", settings: Iterable[str] = ()) -> Declaration:
    """The study's ``analysis``, or the defaults, with ``analysis.key=value`` settings applied.

    ``UserError`` for a setting of anything else, or a value that a study file could not have either.
    """
    from robust_atp.sweep import yaml_file

    document = {"analysis": (results.study.analysis or Declaration()).model_dump(mode="json")}
    for path in sorted(yaml_file.override(document, settings), key=str):
        if path[0] != "analysis" or len(path) < 2:
            raise UserError(
                f"--set {'.'.join(map(str, path))}: a report can only change how records are judged: analysis.key=value"
            )
    try:
        return Declaration.model_validate(document["analysis"])
    except ValidationError as error:
        raise complain("--set", problems_of(error, Declaration, ("analysis",))) from None


def standing(results: "Results") -> str:
    """Whether and when the analysis was declared, in one sentence."""
    declared = results.declared()
    if declared is None or declared.analysis is None:
        return "The analysis was not declared before the study ran: the documented defaults stand in."
    before = "before the first unit" if not declared.units_before else "late"
    return f"The analysis was declared {before}, on {declared.recorded} (declaration {declared.hash[:12]})."


def deviations(results: "Results", used: Declaration) -> list[str]:
    """Everything in which this report differs from the declaration and from the plan, as far as it shows."""
    declared = results.declared()
    return [
        *(declared.deviations(used) if declared is not None else ()),
        *_units(results),
        *_unequal_cells(results),
        *_arms(results),
    ]


def declaration_record(results: "Results", used: Declaration) -> dict[str, Any]:
    """For ``summary.json`` and ``manifest.json``: what was declared, what is used, and every deviation."""
    declared = results.declared()
    analysis = declared.analysis if declared else None
    return {
        "used": used.model_dump(mode="json"),
        "declared": analysis.model_dump(mode="json") if analysis else None,
        "recorded": declared.recorded if declared else None,
        "hash": declared.hash if declared else None,
        "deviations": deviations(results, used),
    }


def _units(results: "Results") -> Iterator[str]:
    status = results.status()
    if not status.complete:
        total = status.done + status.failed + status.left
        yield (
            f"The study is not finished: {status.done} of {total} units are recorded, {status.failed} failed. "
            "Comparisons use the questions that both arms answered."
        )


def _unequal_cells(records: Records) -> Iterator[str]:
    """Conditions that hold fewer questions than others of the same backbone and data set."""
    counts = query(
        records,
        """
        WITH cells AS (
            SELECT backbone, dataset, split, pruner, keep, intervention, severity,
                   count(DISTINCT question_id) AS questions, count(DISTINCT image_id) AS images
            FROM records GROUP BY ALL
        )
        SELECT backbone, dataset, split, min(questions) AS fewest, max(questions) AS most,
               min(images) AS fewest_images, max(images) AS most_images
        FROM cells GROUP BY ALL HAVING min(questions) < max(questions) ORDER BY ALL
        """,
    )
    for row in counts.itertuples():
        yield (
            f"{row.backbone} on {row.dataset}/{row.split}: some cells lack answers: {row.fewest} to {row.most} "
            f"questions on {row.fewest_images} to {row.most_images} images."
        )


def _arms(results: "Results") -> Iterator[str]:
    """Arms of the plan that have no record on a backbone."""
    found = query(results, "SELECT DISTINCT backbone, pruner, keep FROM records")
    names = found["pruner"].str.partition("(")[0]
    present = set(zip(found["backbone"], names, found["keep"], strict=True))
    grid = results.study.grid
    planned = {
        ("none", 1.0),
        *((p.name, keep) for p in grid.pruner for keep in grid.keep if p.name != "none"),
    }
    planned |= {("random", keep) for keep in grid.keep}
    for backbone in results.study.backbones:
        for pruner, keep in sorted(planned):
            if (backbone.name, pruner, keep) not in present:
                yield f"{backbone.name}: the arm {pruner} at keep {keep:g} was planned and has no records."
