"""The project's texts: short, in their place, and true of the files beside them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
DECISIONS = sorted((TOP / "docs/decisions").glob("*.md"))
ONE_PAGE_LINES = 60
ONE_PAGE_WORDS = 600


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (TOP / "Makefile").read_text("utf-8"), re.MULTILINE))


def shell_blocks(path: Path) -> str:
    return "\n".join(
        re.findall(r"```(?:console|sh|bash)\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
    )


def test_decisions_are_numbered_without_gaps() -> None:
    assert [path.name[:4] for path in DECISIONS] == [
        f"{n:04d}" for n in range(1, len(DECISIONS) + 1)
    ]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_with_its_reasons(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= ONE_PAGE_LINES
    assert len(text.split()) <= ONE_PAGE_WORDS


def test_contributing_is_one_page() -> None:
    assert len((TOP / "CONTRIBUTING.md").read_text("utf-8").split()) <= ONE_PAGE_WORDS


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "deploy/README.md", "client/README.md"]
)
def test_make_commands_in_the_texts_exist(name: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", shell_blocks(TOP / name)))
    named |= set(re.findall(r"`make ([a-z][a-z-]*)", (TOP / name).read_text("utf-8")))
    assert named - make_targets() == set()


def test_make_has_the_fixed_targets_and_help_lists_them() -> None:
    assert make_targets() >= {"help", "demo", "test", "lint", "bench"}
    shown = subprocess.run(
        ["make", "help"], cwd=TOP, capture_output=True, text=True, check=True, timeout=20
    ).stdout
    assert {
        line.split()[1] for line in shown.splitlines() if line.strip().startswith("make ")
    } == make_targets()


def test_modules_that_the_makefile_runs_exist() -> None:
    modules = re.findall(r"\$\(BIN\)/python -m ([\w.]+)", (TOP / "Makefile").read_text("utf-8"))
    ours = [
        name
        for name in modules
        if name.split(".")[0] in ("examples", "benchmarks", "meta_trainer", "services")
    ]
    assert ours
    for name in ours:
        path = TOP / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name


def test_changelog_keeps_a_changelog() -> None:
    text = (TOP / "CHANGELOG.md").read_text("utf-8")
    assert text.startswith("# Changelog")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings
    assert headings[0] == "[Unreleased]"
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


TEXTS = [
    TOP / "README.md",
    TOP / "CONTRIBUTING.md",
    TOP / "docs/architecture.md",
    TOP / "docs/glossary.md",
    TOP / "docs/protocol.md",
    TOP / "docs/runs.md",
    TOP / "deploy/README.md",
    *DECISIONS,
]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(TOP).as_posix())
def test_relative_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_both_distributions_carry_the_licence() -> None:
    licence = (TOP / "LICENSE").read_text("utf-8")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    assert (TOP / "client/LICENSE").read_text("utf-8") == licence
