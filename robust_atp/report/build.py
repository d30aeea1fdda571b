"""From a folder of records to a folder that can be read, checked and cited."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from robust_atp.errors import UserError
from robust_atp.image_sums import DRAWS, LEVEL, SEED
from robust_atp.probes.probe import PROBES
from robust_atp.report.analysis import Analysis, analyse
from robust_atp.report.citation import cff
from robust_atp.report.crate import CRATE, ro_crate
from robust_atp.report.declared_view import declared_view
from robust_atp.report.deviations import declaration_record, standing, used_declaration
from robust_atp.report.facts import environment, finished, footer, limitations, records_digest, scale
from robust_atp.report.figures.style import png, svg, webp
from robust_atp.report.illustrations import Illustration, illustrations
from robust_atp.report.illustrations.subject import at_budgets_drawn, at_each_budget
from robust_atp.report.latex import latex_table
from robust_atp.report.manifest import MANIFEST, content_hash, hashes, manifest
from robust_atp.report.methods import methods_text
from robust_atp.report.overlays import overlays
from robust_atp.report.page import Shown, render, show
from robust_atp.report.summary import summary
from robust_atp.report.verdict import verdicts

if TYPE_CHECKING:
    from robust_atp.sweep.results import Results
    from robust_atp.sweep.study import Study


class _Folder:
    """Writes files below a folder and remembers them: what an earlier report left there is not ours to list."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: list[Path] = []

    def write(self, name: str, content: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.files.append(path)


def build_report(
    results: "Results", out: Path, command: str = "robust-atp report", settings: Iterable[str] = ()
) -> Path:
    """Write the page with summary, tables, figures, citation, RO-Crate metadata and manifest; return the page.

    ``settings`` are ``analysis.key=value``: records judged otherwise than declared, which the page lists.
    The same records give the same bytes everywhere, but for what manifest.json and the page say of the machine.
    Pictures that are not here are left out, and the page says so.
    """
    with results.at_hand() as near:
        return _build(near, out, command, settings)


def _build(results: "Results", out: Path, command: str, settings: Iterable[str]) -> Path:
    declaration = used_declaration(results, settings)
    judged = declaration_record(results, declaration)
    folder, analysis, about = _Folder(out), analyse(results, declaration), _about(results, judged)
    methods = methods_text(results, about, declaration, standing(results), judged)
    for name, table in analysis.tables().items():
        folder.write(f"tables/{name}.csv", table.to_csv(index=False, float_format="%.10g"))
    shown, missing = _draw(results, analysis, folder, about["result_id"])
    found = verdicts(analysis)
    page = render(
        study=results.study.name,
        verdicts=found,
        claims=analysis.claims,
        figures=shown,
        tables=analysis.tables(),
        missing=missing | _empty_probes(analysis) | _undrawn(analysis),
        scale=scale(results),
        study_file=_study_file(results.study),
        facts=about["environment"],
        limitations=limitations(results),
        manifest=about,
        command=command,
        declared=declared_view(analysis.primary_endpoints, declaration, standing(results), judged),
        methods=methods,
    )
    folder.write("methods.md", methods)
    folder.write("report.html", page)
    folder.write(
        "summary.json", _json({"result_id": about["result_id"], "declaration": judged, **summary(analysis)})
    )
    folder.write("CITATION.cff", cff(about))
    folder.write("tables/verdicts.tex", latex_table(found, about["result_id"]))
    about["files"] = hashes(out, folder.files)
    folder.write(MANIFEST, _json(about))
    folder.write(CRATE, ro_crate(about))
    return out / "report.html"


def _about(results: "Results", judged: dict[str, Any]) -> dict[str, Any]:
    files = results.files()
    footers = list(map(footer, files))
    return manifest(
        study=results.study.name,
        identity=json.loads((results.folder / "identity.json").read_bytes()),
        digest=records_digest(results),
        files=content_hash(results.folder, files),
        scale=scale(results),
        finished=finished(footers),
        environment=environment(footers),
        analysis={"draws": DRAWS, "seed": SEED, "level": LEVEL, "cluster": "image", "declaration": judged},
    )


def _draw(
    results: "Results", analysis: Analysis, folder: _Folder, result: str
) -> tuple[list[Shown], dict[str, str]]:
    """Write every figure as SVG and PNG; say of the pictures if they cannot be had."""
    shown, missing = [_write(figure, folder, result) for figure in illustrations(analysis)], {}
    try:
        shown += [_write(figure, folder, result) for figure in overlays(results, analysis)]
    except UserError as error:
        missing["overlays"] = f"Kept-token overlays need the pictures of the study: {error}"
    return shown, missing


def _write(illustration: Illustration, folder: _Folder, result: str) -> Shown:
    footer = f"{illustration.basis} · {result}"
    vector = svg(illustration.figure, footer)
    illustration.figure.set_layout_engine("none")  # laid out once, drawn twice
    pixels = png(illustration.figure, footer)
    folder.write(f"figures/{illustration.name}.svg", vector)
    folder.write(f"figures/{illustration.name}.png", pixels)
    return show(illustration, webp(illustration.figure, footer) if illustration.photographs else vector)


def _empty_probes(analysis: Analysis) -> dict[str, str]:
    empty = [name for name, table in analysis.probes.items() if table.empty]
    wants = "; ".join(f"{name} needs {PROBES.get(name).needs}" for name in empty)
    return {"probes": f"Probes that had nothing to measure here: {wants}."} if wants else {}


def _undrawn(analysis: Analysis) -> dict[str, str]:
    """Say which curves a study with very many arms leaves out."""
    drawn = set(at_budgets_drawn(analysis))
    left = {
        f"{100 * subject.keep:.3g} %"
        for subject in at_each_budget(analysis)
        if subject.keep and subject not in drawn
    }
    reason = (
        f"Curves at {', '.join(sorted(left))} of the tokens are not drawn, because the study has very many arms: their "
        'numbers are in the tables, and analyse(results).plot("severity", keep=…) draws them.'
    )
    return {"curves": reason} if left else {}


def _study_file(study: "Study") -> str:
    """The study as it could be written: what it leaves open is left out."""
    document = study.model_dump(mode="json", exclude_none=True)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
