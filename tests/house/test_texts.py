"""The project's texts: short, in their place, and true of the files beside them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.house.project import TOP, read_text

DECISIONS = sorted((TOP / "docs/decisions").glob("[0-9]*.md"))
ONE_PAGE_LINES = 60
ONE_PAGE_WORDS = 600
OWN_PACKAGES = ("examples", "benchmarks", "meta_trainer", "services", "tests")


MAKEFILE = read_text(TOP / "Makefile")


def list_make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


def read_shell_blocks(path: Path) -> str:
    blocks = re.findall(r"```(?:console|sh|bash)\n(.*?)```", read_text(path), re.DOTALL)
    return "\n".join(blocks)


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [path.name[:4] for path in DECISIONS]
    assert numbers == [f"{n:04d}" for n in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_with_its_reasons(path: Path) -> None:
    text = read_text(path)
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= ONE_PAGE_LINES
    assert len(text.split()) <= ONE_PAGE_WORDS


def test_contributing_is_one_page() -> None:
    assert len(read_text(TOP / "CONTRIBUTING.md").split()) <= ONE_PAGE_WORDS


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "deploy/README.md", "client/README.md"]
)
def test_make_commands_in_the_texts_exist(name: str) -> None:
    in_blocks = re.findall(r"\bmake ([a-z][a-z-]*)", read_shell_blocks(TOP / name))
    in_sentences = re.findall(r"`make ([a-z][a-z-]*)", read_text(TOP / name))
    assert {*in_blocks, *in_sentences} <= list_make_targets()


def test_make_has_the_fixed_targets_and_help_lists_them() -> None:
    assert list_make_targets() >= {"help", "demo", "test", "lint", "bench"}
    answer = subprocess.run(
        ["make", "help"], cwd=TOP, capture_output=True, text=True, check=True, timeout=20
    )
    listed = re.findall(r"^ +make ([a-z-]+)", answer.stdout, re.MULTILINE)
    assert set(listed) == list_make_targets()


def test_modules_that_the_makefile_runs_exist() -> None:
    modules = re.findall(r"\$\(BIN\)/python -m ([\w.]+)", MAKEFILE)
    own_modules = [name for name in modules if name.startswith(OWN_PACKAGES)]
    assert own_modules
    for name in own_modules:
        path = TOP / name.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name


def test_changelog_keeps_a_changelog() -> None:
    text = read_text(TOP / "CHANGELOG.md")
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
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)", read_text(path))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_both_distributions_carry_the_licence() -> None:
    licence = read_text(TOP / "LICENSE")
    assert "Apache License" in licence
    assert "Version 2.0, January 2004" in licence
    assert read_text(TOP / "client/LICENSE") == licence
