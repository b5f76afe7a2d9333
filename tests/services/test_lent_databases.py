"""What a test leaves in a database of Postgres that it was lent is nothing to the next test."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError

from tests.postgres import MOST_GROWTH_BYTES, Postgres

pytestmark = pytest.mark.slow
N_ROWS = MOST_GROWTH_BYTES // 100
GROW = f"INSERT INTO parts (name) SELECT repeat('x', 100) FROM generate_series(1, {N_ROWS})"


def ask(url: str, *statements: str) -> list[object]:
    """The first value of what the last of some statements answers, in a list; none: []."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            for statement in statements:
                answer = connection.execute(sa.text(statement))
            return list(answer.scalars()) if answer.returns_rows else []
    finally:
        engine.dispose()


@pytest.fixture
def template(postgres: Postgres) -> str:
    url = postgres.create_database()
    ask(
        url,
        "CREATE TABLE parts (id serial PRIMARY KEY, name text)",
        "CREATE TABLE pieces (part integer REFERENCES parts)",
        "INSERT INTO parts (name) VALUES ('first')",
    )
    return make_url(url).database or ""


def test_the_next_one_finds_the_first_rows_and_numbers(postgres: Postgres, template: str) -> None:
    with postgres.lend(template) as first:
        ask(
            first,
            "UPDATE parts SET name = 'changed'",
            "INSERT INTO parts (name) VALUES ('second')",
            "INSERT INTO pieces VALUES (1), (2)",
        )
    [copy] = postgres.idle[template]
    with postgres.lend(template) as second:
        assert postgres.idle[template] == []
        assert ask(second, "SELECT name FROM parts") == ["first"]
        assert ask(second, "SELECT count(*) FROM pieces") == [0]
        assert ask(second, "INSERT INTO parts (name) VALUES ('new') RETURNING id") == [2]
    assert [again.schema for again in postgres.idle[template]] == [copy.schema]


def test_two_at_once_are_two(postgres: Postgres, template: str) -> None:
    with postgres.lend(template) as first, postgres.lend(template) as second:
        ask(first, "DELETE FROM parts")
        assert ask(second, "SELECT name FROM parts") == ["first"]


def test_who_was_late_finds_nothing(postgres: Postgres, template: str) -> None:
    with postgres.lend(template) as first:
        late = create_engine(first)
        connection = late.connect()
        connection.execute(sa.text("DELETE FROM parts"))
    with postgres.lend(template) as second:
        with pytest.raises(OperationalError):
            connection.execute(sa.text("SELECT 1"))
        connection.close()
        with pytest.raises(OperationalError, match="does not exist"):
            late.connect()
        assert ask(second, "SELECT name FROM parts") == ["first"]
    late.dispose()


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE pieces",
        "ALTER TABLE parts ADD COLUMN size integer",
        "ALTER TABLE parts ADD CONSTRAINT named CHECK (name <> '')",
        "CREATE TABLE more (id integer)",
        "CREATE SCHEMA another",
        GROW,
    ],
    ids=lambda change: change[:30],
)
def test_one_that_is_no_more_what_it_was_is_not_lent_again(
    postgres: Postgres, template: str, change: str
) -> None:
    with postgres.lend(template) as first:
        ask(first, change)
    assert postgres.idle[template] == []
    with postgres.lend(template) as second:
        assert ask(second, "SELECT count(*) FROM parts") == [1]
