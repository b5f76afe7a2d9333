"""The Dockerfile's promises: two targets, no root, nothing but what it names is copied, every
source exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "deploy/Dockerfile").read_text("utf-8").replace("\\\n", " ")
LINES = [line for line in TEXT.splitlines() if line and not line.startswith("#")]


def stage(name: str) -> list[str]:
    """The lines of one stage, with those of the stages that it stands on."""
    starts = [
        (match, n)
        for n, line in enumerate(LINES)
        if (match := re.fullmatch(r"FROM (\S+) AS (\w+)", line))
    ]
    ends = [n for _, n in starts[1:]] + [len(LINES)]
    for (match, begin), end in zip(starts, ends, strict=True):
        if match.group(2) == name:
            below = match.group(1)
            return (stage(below) if any(m.group(2) == below for m, _ in starts) else []) + LINES[
                begin:end
            ]
    raise AssertionError(f"no stage {name}")


@pytest.mark.parametrize("target", ["api", "trainer"])
def test_a_target_runs_as_a_numbered_user_with_a_health_check_and_a_command(target: str) -> None:
    lines = stage(target)
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["10001:10001"]
    after = lines[lines.index("USER 10001:10001") :]
    assert not any(line.startswith("RUN ") for line in after)
    assert any(line.startswith("HEALTHCHECK ") for line in lines)
    assert any(line.startswith('CMD ["') for line in lines)


def test_base_images_are_pinned_to_the_supported_python() -> None:
    bases = [line.split()[1] for line in LINES if line.startswith("FROM ") and ":" in line]
    assert set(bases) == {"python:3.11-slim-bookworm"}


def test_torch_is_installed_first_and_from_an_index_that_the_builder_chooses() -> None:
    installs = [line for line in stage("build") if "pip install" in line]
    assert "TORCH_INDEX_URL" in installs[0]
    assert "'^torch=='" in installs[0]
    assert not any("index-url" in line for line in installs[1:])


def test_every_copied_source_exists_and_passes_the_dockerignore() -> None:
    allowed = {
        line[1:]
        for line in (TOP / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copies = [
        line.split()[1:-1] for line in LINES if line.startswith("COPY ") and "--from" not in line
    ]
    sources = [source for group in copies for source in group]
    assert sources
    for source in sources:
        assert (TOP / source).exists(), source
        assert source.split("/")[0] in allowed, source


def test_trainers_can_compile_the_fused_cell() -> None:
    assert any("apt-get install" in line and " gcc " in line for line in stage("trainer"))


def test_the_image_holds_every_package_of_both_distributions() -> None:
    copied = {line.split()[1] for line in stage("build") if line.startswith("COPY ")}
    assert {"client/hyperadam", "meta_trainer", "registry", "services"} <= copied
