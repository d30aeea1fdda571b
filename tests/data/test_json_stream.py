import json
from pathlib import Path
from typing import Any

import pytest

from robust_atp.data import json_stream
from robust_atp.data.json_stream import elements, members, records
from robust_atp.errors import UserError

RECORDS = [{"id": n, "text": f'a "quoted" ☕ {n}', "nested": {"x": [n, None, 1.5e3]}} for n in range(40)]


@pytest.fixture(params=[1, 7, 1 << 16], autouse=True)
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that end anywhere, within a word, a number and a character."""
    monkeypatch.setattr(json_stream, "_CHUNK", request.param)


@pytest.mark.parametrize("indent", [None, 1])
def test_elements_are_those_of_the_parsed_file(tmp_path: Path, indent: int | None) -> None:
    document = {"info": {"year": 2014}, "before": [1, [2]], "wanted": RECORDS, "after": 12345}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert list(elements(path, "wanted")) == RECORDS
    assert dict(members(path)) == document


@pytest.mark.parametrize("separator", ["\n", "\n\n"])
def test_an_array_and_lines_are_the_same_records(tmp_path: Path, separator: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(RECORDS, indent=1))
    (tmp_path / "b.json").write_text(separator.join(map(json.dumps, RECORDS)))
    assert list(records(tmp_path / "a.json")) == list(records(tmp_path / "b.json")) == RECORDS


def test_a_byte_order_mark_and_numbers_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1, 23, 456]")
    assert list(records(tmp_path / "a.json")) == [1, 23, 456]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"wanted": [1,\n2', r"a\.json:2: not valid JSON: Expecting ',' delimiter"),
        ('{"wanted": [1,\n{"x": tru}]}', r"a\.json:2: not valid JSON: Expecting value"),
        ('{"wanted": [1]\n', r"a\.json:2: not valid JSON: Expecting ',' delimiter"),
        ('{"wanted": [1]}\n}', r"a\.json:2: not valid JSON: Extra data"),
        ('{"wanted": [1], "other": [2,\n]}', r"a\.json:2: not valid JSON: Expecting value"),
        ('{"wanted" [1]}', r"a\.json:1: not valid JSON: Expecting ':' delimiter"),
        ('{"wanted": []}', "'wanted' must be a list of records, got an empty list"),
        ('{"wanted": {"a": 1}}', "'wanted' must be a list of records, got dict"),
        ('{"other": 1}', r"lacks 'wanted' \(has: other\)"),
        ("{}", r"lacks 'wanted' \(has: nothing\)"),
        ("[1]", "expected an object, got list"),
        ("", r"a\.json:1: not valid JSON: Expecting value"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=message):
        list(elements(tmp_path / "a.json", "wanted"))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{"wanted": ["\xff"]}', "is not UTF-8 text"), (None, "no such file")],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(elements(tmp_path / "a.json", "wanted"))


@pytest.mark.parametrize("value", ["x", 1, None, [1]])
def test_lines_that_are_no_objects_are_still_values(tmp_path: Path, value: Any) -> None:
    (tmp_path / "a.json").write_text("1\n" + json.dumps(value))
    assert list(records(tmp_path / "a.json")) == [1, value]
