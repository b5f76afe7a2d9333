"""Migrations are one chain: two that were made at the same time do not both follow the same one."""

from __future__ import annotations

import re

from tests.house.project import TOP, read_text

FOLDER = TOP / "services" / "database" / "migrations" / "versions"


def test_each_migration_follows_another() -> None:
    revisions = []
    followed = []
    for path in sorted(FOLDER.glob("0*.py")):
        text = read_text(path)
        [revision] = re.findall(r'^revision = "(\d+)"$', text, re.MULTILINE)
        before = re.findall(r'^down_revision = "(\d+)"$', text, re.MULTILINE)
        assert path.name.startswith(f"{revision}_")
        revisions.append(revision)
        followed += before
    assert revisions == sorted(set(revisions)), "two have the same number: count the later one on"
    assert followed == revisions[:-1]
