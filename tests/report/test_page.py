"""The page and the files around it."""

import itertools
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from markupsafe import escape
from synthetic_study import synthetic_records, write_study

from robust_atp.report.analysis import analyse
from robust_atp.report.build import build_report
from robust_atp.report.illustrations import illustrations
from robust_atp.report.verify import differences
from robust_atp.sweep.results import Results, open_results


@pytest.fixture(scope="module")
def report(small_study: Results) -> Path:
    return build_report(small_study, small_study.folder / "report").parent


class Page(HTMLParser):
    """Collects what a browser would fetch or run, and the text that it would show."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_asks_nothing_of_the_network(report: Path):
    html = (report / "report.html").read_text()
    page = Page(html)
    assert page.fetched
    assert all(source.startswith(("data:image/", "#")) for source in page.fetched)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert not re.search(r"url\(|@import", html)


def test_every_image_has_a_text_that_says_what_it_shows(report: Path):
    images = Page((report / "report.html").read_text()).images
    assert len(images) >= 8
    assert all(len(image["alt"] or "") > 40 for image in images)


def test_the_page_opens_with_question_and_verdict(report: Path):
    text = " ".join(Page((report / "report.html").read_text()).text.split())
    question, verdict = text.index("Does pruning visual tokens"), text.index("Under corruption, atp 25 %")
    assert question < verdict < text.index("Methods")
    assert "the phantom is a calibrated test object" in text.lower()


def test_text_of_others_is_escaped(small_study: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    name = "\u202eevil <script>alert(1)</script> " + "w" * 10_000
    command, missing = '"><img src=x onerror=alert(1)>', "'; {{ 7 * 7 }}"
    monkeypatch.setattr("robust_atp.report.build._draw", lambda *_: ([], {"overlays": missing}))
    monkeypatch.setattr(small_study, "study", small_study.study.model_copy(update={"name": name}))
    html = build_report(small_study, tmp_path, command=command).read_text()
    page = Page(html)
    assert all(text in page.text for text in (name, command, missing))
    assert not {"script", "img"} & set(page.tags)
    assert f"<bdi>{escape(name)}</bdi>" in html  # what turns the direction of text stays among itself


def test_what_the_contents_point_at_is_there(report: Path):
    html = (report / "report.html").read_text()
    targets = re.findall(r'href="#([^"]+)"', html)
    assert len(targets) >= 11
    assert all(html.count(f'id="{target}"') == 1 for target in targets)


def test_it_can_be_read_without_seeing_and_without_a_mouse(report: Path):
    html = (report / "report.html").read_text()
    page = Page(html)
    assert '<html lang="en">' in html
    assert {"main", "header", "nav", "footer", "figcaption", "caption"} <= set(page.tags)
    headings = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(headings))
    scrolled = re.findall(r'<div class="scroll"([^>]*)>', html)
    assert all('tabindex="0"' in attributes and "aria-label" in attributes for attributes in scrolled)


def test_summary_and_tables_hold_every_estimate(report: Path):
    summary = json.loads((report / "summary.json").read_text())
    assert [row["arm"] for row in summary["headline"][:3]] == ["unpruned", "random 25 %", "atp 25 %"]
    assert {path.stem for path in (report / "tables").glob("*.csv")} == set(summary["tables"])
    for row in summary["tables"]["accuracy"]:
        assert row["lo"] <= row["value"] <= row["hi"]
        assert row["n"] == 16


def test_figures_come_as_vectors_and_as_pixels(report: Path, small_study: Results):
    stems = {path.stem for path in (report / "figures").glob("*.svg")}
    assert stems == {path.stem for path in (report / "figures").glob("*.png")}
    kinds = {illustration.kind for illustration in illustrations(analyse(small_study))}
    assert {"severity", "excess-drop", "heatmap", "forest", "flips", "frontier"} <= kinds
    assert any(stem.startswith("overlay") for stem in stems)


def test_the_same_records_give_the_same_files(small_study: Results, report: Path, tmp_path: Path):
    again = build_report(small_study, tmp_path).parent
    files = [path.relative_to(report) for path in report.rglob("*") if path.is_file()]
    assert len(files) > 30
    assert all((again / file).read_bytes() == (report / file).read_bytes() for file in files)


def test_verify_finds_nothing_then_every_change(small_study: Results, report: Path, tmp_path: Path):
    assert differences(small_study, report) == []
    report = shutil.copytree(report, tmp_path / "report")
    summary = report / "summary.json"
    content = json.loads(summary.read_text())
    content["headline"][2]["excess_drop"]["value"] += 0.001
    summary.write_text(json.dumps(content))
    (report / "tables" / "accuracy.csv").unlink()
    found = "\n".join(differences(small_study, report))
    assert "tables/accuracy.csv: missing" in found
    assert "summary.json: its content has changed" in found
    assert "headline[2].excess_drop.value" in found


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.7, 0.98], ids=str)
def test_verify_finds_one_changed_byte_of_the_records(
    place: float, small_study: Results, report: Path, tmp_path: Path
):
    folder = shutil.copytree(small_study.folder, tmp_path / "study")
    unit = open_results(folder).files()[0]
    content = bytearray(unit.read_bytes())
    content[int(place * len(content))] ^= 1
    unit.write_bytes(content)
    assert "units: the bytes" in differences(open_results(folder), report)[0]


def test_verify_says_that_an_older_report_has_no_hash_of_the_record_files(
    small_study: Results, report: Path, tmp_path: Path
):
    report = shutil.copytree(report, tmp_path / "report")
    manifest = json.loads((report / "manifest.json").read_text())
    del manifest["records"]["files"]
    (report / "manifest.json").write_text(json.dumps(manifest))
    (found,) = differences(small_study, report)
    assert "records.files" in found


def test_verify_finds_an_answer_that_was_changed_by_a_tool(
    small_study: Results, report: Path, tmp_path: Path
):
    folder = shutil.copytree(small_study.folder, tmp_path / "study")
    unit = open_results(folder).files()[0]
    rows = pq.read_table(unit)
    scores = rows["score"].to_numpy().copy()
    scores[0] = 1 - scores[0]
    pq.write_table(rows.set_column(rows.column_names.index("score"), "score", pa.array(scores)), unit)
    found = "\n".join(differences(open_results(folder), report))
    assert "units: the bytes" in found
    assert "records: digest" in found


def test_a_study_whose_pictures_have_changed_shows_none_and_says_so(
    small_study: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("robust_atp.report.pictures.pixel_hash", lambda _: "another picture")
    monkeypatch.setattr("robust_atp.report.build.illustrations", lambda _: [])
    html = build_report(small_study, tmp_path).read_text()
    assert "is not the one that was answered" in html
    assert not list((tmp_path / "figures").glob("overlay*"))


def test_a_study_that_pruned_and_corrupted_nothing_still_has_a_page(tmp_path: Path):
    records = synthetic_records(images=2)
    bare = records.filter(
        pc.and_(pc.equal(records["pruner"], "none"), pc.equal(records["intervention"], "clean"))
    )
    html = build_report(open_results(write_study(tmp_path, bare)), tmp_path / "report").read_text()
    assert "there is no verdict" in html
    assert "control-images needs control images (blank, shuffled, …) among the interventions" in html


def test_an_unfinished_study_says_so(tmp_path: Path):
    study = write_study(tmp_path, synthetic_records(images=2, severities=(5,)))
    next(study.glob("units/*/phantom-fog-5.parquet")).unlink()
    assert (
        "is not finished: 9 of 10 units" in build_report(open_results(study), tmp_path / "report").read_text()
    )
