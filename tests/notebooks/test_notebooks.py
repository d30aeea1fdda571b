"""Notebooks are thin consumers of the package: committed without outputs, executed here."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from synthetic_study import synthetic_records, write_study

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters_cell(notebook: NotebookNode) -> NotebookNode:
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    return cell


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> NotebookNode:
    return nbformat.read(request.param, as_version=4)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the notebooks about a finished study open here: scenes of the phantom with planted answers."""
    records = synthetic_records(images=8, severities=(1, 5), real_pictures=True)
    return write_study(tmp_path_factory.mktemp("study"), records)


def test_there_is_a_notebook():
    assert NOTEBOOKS


def test_it_is_committed_without_outputs(notebook: NotebookNode):
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(notebook))
    assert set(notebook.metadata) == {"kernelspec"}


def test_it_consumes_the_package_and_defines_nothing(notebook: NotebookNode):
    sources = [cell.source for cell in code_cells(notebook)]
    # A notebook may define the one thing that it teaches how to add.
    taught = [source for source in sources if source.startswith("@register(")]
    assert len(taught) <= 1
    code = "\n".join(source for source in sources if source not in taught)
    assert not re.search(r"^\s*(def|class|!|%)", code, flags=re.MULTILINE)
    assert not re.search(r"""["']/|https?://""", code)
    assert len(sources) <= 12
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    assert all(len(source.splitlines()) <= 8 for source in sources)


def executed(name: str, parameters: str) -> list[NotebookNode]:
    """Outputs of a notebook with other parameters."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    parameters_cell(notebook).source = parameters
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
    )
    client.execute()
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def printed(outputs: list[NotebookNode]) -> str:
    return "".join(output.get("text", "") for output in outputs)


def drawings(outputs: list[NotebookNode]) -> int:
    """Figures that the notebook shows, as vectors with a caption or as pixels."""
    shown = [output.get("data", {}) for output in outputs]
    return sum("<figcaption>" in data.get("text/html", "") or "image/png" in data for data in shown)


def tables(outputs: list[NotebookNode]) -> int:
    return sum('class="dataframe"' in output.get("data", {}).get("text/html", "") for output in outputs)


# Notebook -> figures and tables that it shows of a finished study, and what it must have printed.
SHOWN = {
    "01_explore": (2, 2, "excess drop"),
    "02_paired_statistics": (3, 2, "by image"),
    "03_kept_token_stability": (5, 2, ""),
    "04_probes_on_the_phantom": (5, 2, "background-gap: "),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_finished_study_is_read(name: str, study: Path):
    assert sum(path.stat().st_size for path in study.rglob("*")) < 500_000
    source = parameters_cell(nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)).source
    outputs = executed(name, source.replace("../runs/study", str(study)))
    figures, frames, words = SHOWN[name]
    assert drawings(outputs) == figures
    assert tables(outputs) == frames
    assert words in printed(outputs)


def test_a_corruption_is_added_checked_and_swept():
    outputs = executed("05_add_a_corruption", "scenes = 2\nkeep = 0.25")
    assert "FAIL" not in printed(outputs)
    assert "can be sent to a worker process" in printed(outputs)
    shown = [output["data"]["text/plain"] for output in outputs if "text/html" in output.get("data", {})]
    assert sum("rolling_shutter" in table for table in shown) == 2
    assert drawings(outputs) == 2  # the contact sheet, and accuracy over severity
