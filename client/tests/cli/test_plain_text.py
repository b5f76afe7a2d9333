"""Escape sequences of others never reach the terminal."""

from __future__ import annotations

import json

import pytest
from hyperadam.cli import common
from hyperadam.plain_text import escape_json, make_plain
from rich.table import Table

HOSTILE = "a\x1b]0;owned\x07\x1b[2Jb\x9b31mc\u202ed\x07e\x1b"
FORBIDDEN = "\x1b\x9b\x07\u202e"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (HOSTILE, "ab\ufffd31mc\ufffdd\ufffde\ufffd"),
        ("Θ → ünï\tx\ny", "Θ → ünï\tx\ny"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("5 %\r10 %\r\n", "5 %\ufffd10 %\n"),
        ("\ud800", "\ufffd"),
    ],
)
def test_texts(text: str, plain: str) -> None:
    assert make_plain(text) == plain


def test_json_stays_the_same() -> None:
    text = json.dumps({"note": HOSTILE}, ensure_ascii=False)
    assert json.loads(escape_json(text)) == {"note": HOSTILE}


def test_what_commands_print(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("name", title=HOSTILE)
    table.add_row(HOSTILE)
    common.make_console(stderr=False).print(table, HOSTILE)
    common.make_console(stderr=True).print(HOSTILE)
    common.print_json({"note": HOSTILE})
    common.echo(HOSTILE)
    printed = capsys.readouterr()
    assert "ab" in printed.out
    assert not set(FORBIDDEN) & set(printed.out + printed.err)
