"""The Dockerfile's promises: two targets, no root, and it copies only sources that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
TEXT = (TOP / "deploy/Dockerfile").read_text("utf-8").replace("\\\n", " ")
LINES = [line for line in TEXT.splitlines() if line and not line.startswith("#")]


def split_stages() -> dict[str, tuple[str, list[str]]]:
    """Name of a stage → what it stands on, and its lines."""
    stages: dict[str, tuple[str, list[str]]] = {}
    lines: list[str] = []
    for line in LINES:
        match = re.fullmatch(r"FROM (\S+) AS (\w+)", line)
        if match is not None:
            base, name = match.groups()
            lines = []
            stages[name] = (base, lines)
        lines.append(line)
    return stages


STAGES = split_stages()


def stage(name: str) -> list[str]:
    """The lines of one stage, with those of the stages that it stands on."""
    base, lines = STAGES[name]
    lines_below = stage(base) if base in STAGES else []
    return lines_below + lines


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
    assert LINES[0] == "ARG PYTHON_IMAGE=python:3.11-slim-trixie"
    bases = [line.split()[1] for line in LINES if line.startswith("FROM ")]
    assert {base for base in bases if base not in STAGES} == {"${PYTHON_IMAGE}"}


def test_the_api_has_the_tools_of_a_backup_for_the_servers_that_we_name() -> None:
    """Debian 12 has the client of Postgres 15, Debian 13 that of 17; both dump older servers."""
    clients = {"bookworm": 15, "trixie": 17}
    [release] = re.findall(r"slim-(\w+)$", LINES[0])
    installed = re.findall(r"apt-get install .*postgresql-client-(\d+)", "\n".join(stage("api")))
    assert [int(version) for version in installed] == [clients[release]]
    texts = [TOP / "docker-compose.yml", TOP / "deploy/helm/hyperadam/values.yaml"]
    servers = [re.findall(r"postgres:(\d+)-", text.read_text("utf-8")) for text in texts]
    assert all(servers)
    assert all(int(version) <= clients[release] for found in servers for version in found)


def test_torch_is_installed_first_and_from_an_index_that_the_builder_chooses() -> None:
    installs = [line for line in stage("build") if "pip install" in line]
    assert "TORCH_INDEX_URL" in installs[0]
    assert "'^torch=='" in installs[0]
    assert not any("index-url" in line for line in installs[1:])
    assert "--no-deps --require-hashes -r requirements.lock" in installs[1]


def test_every_copied_source_exists_and_passes_the_dockerignore() -> None:
    ignore_lines = (TOP / ".dockerignore").read_text("utf-8").splitlines()
    allowed = {line[1:] for line in ignore_lines if line.startswith("!")}
    sources = []
    for line in LINES:
        if line.startswith("COPY ") and "--from" not in line:
            sources += line.split()[1:-1]
    assert sources
    for source in sources:
        assert (TOP / source).exists(), source
        assert {source, source.split("/")[0]} & allowed, source


def test_trainers_can_compile_the_fused_cell() -> None:
    assert any("apt-get install" in line and " gcc " in line for line in stage("trainer"))


def test_the_image_holds_every_package_of_both_distributions() -> None:
    copied = {line.split()[1] for line in stage("build") if line.startswith("COPY ")}
    assert {"client/hyperadam", "meta_trainer", "registry", "services"} <= copied
