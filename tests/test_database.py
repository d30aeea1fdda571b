"""Reading in parts, ahead or again, must look like reading everything at once."""

import threading
from collections.abc import Iterator

import pandas as pd
import pytest

from robust_atp import database as module
from robust_atp.database import database, gathered, read_ahead
from robust_atp.errors import UserError


@pytest.fixture(autouse=True)
def four_processors(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.os, "cpu_count", lambda: 4)


def test_parts_come_in_their_order_whichever_is_read_first():
    second_read = threading.Event()

    def read(part: int) -> list[int]:
        if part == 0:
            assert second_read.wait(10)
        second_read.set()
        return [10 * part, 10 * part + 1]

    assert list(read_ahead(range(20), read)) == [n for part in range(20) for n in (10 * part, 10 * part + 1)]


def test_few_parts_are_read_before_the_first_is_used():
    begun: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(1000):
            begun.append(part)
            yield part

    rows = read_ahead(parts(), lambda part: [part])
    assert next(rows) == 0
    assert len(begun) < 20
    rows.close()
    assert len(begun) < 20


def test_what_goes_wrong_in_a_thread_is_raised_here():
    def read(part: int) -> list[int]:
        if part == 3:
            raise UserError("the records cannot be read")
        return [part]

    with pytest.raises(UserError, match="cannot be read"):
        list(read_ahead(range(5), read))


def test_rows_that_stay_in_the_database_are_gone_afterwards():
    numbers = pd.DataFrame({"n": [1, 2, 3], "name": ["b", "a", "b"]})
    with database() as connection:
        with gathered(connection, "SELECT n * n AS square, name FROM numbers", numbers=numbers) as select:
            assert list(select("SELECT name FROM gathered ORDER BY square")["name"]) == ["b", "a", "b"]
            assert list(select("SELECT square FROM gathered WHERE name = 'b' ORDER BY ALL")["square"]) == [
                1,
                9,
            ]
        with gathered(connection, "SELECT 7 AS n") as select:
            assert select("FROM gathered")["n"].item() == 7
        assert connection.sql("SHOW TABLES").fetchall() == []
