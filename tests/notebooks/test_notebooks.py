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
    return write_study(tmp_path_factory.mktemp("study"), synthetic_records(images=8, severities=(1, 5)))


def test_there_is_a_notebook():
    assert NOTEBOOKS


def test_it_is_committed_without_outputs(notebook: NotebookNode):
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(notebook))
    assert set(notebook.metadata) == {"kernelspec"}


def test_it_consumes_the_package_and_defines_nothing(notebook: NotebookNode):
    code = "\n".join(cell.source for cell in code_cells(notebook))
    assert not re.search(r"^\s*(def|class|!|%)", code, flags=re.MULTILINE)
    assert not re.search(r"""["']/|https?://""", code)
    assert len(code_cells(notebook)) <= 12
    assert all(len(cell.source.splitlines()) <= 8 for cell in code_cells(notebook))


def test_it_runs_on_any_study_and_draws_its_figures(notebook: NotebookNode, study: Path):
    parameters_cell(notebook).source = f"run_dir = {str(study)!r}"
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": FOLDER}}
    )
    client.execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    drawings = [output for output in outputs if "image/svg+xml" in output.get("data", {})]
    said = "".join(output.get("text", "") for output in outputs)
    assert len(drawings) == 2
    assert "excess drop" in said
