"""Libraries that came with the package: the widest that fits, whole, and of the sources beside
it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
import torch
from hyperadam.kernels import ready
from hyperadam.kernels.recipe import SHIPPED, Kernel, hash_bytes, name_shipped

KERNEL = SHIPPED[0]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "native"
    folder.mkdir()
    (folder / "hyperadam.c").write_text("void step(void) {}\n")
    return folder


def put_library(sources: Path, instructions: str, kernel: Kernel = KERNEL) -> Path:
    folder = sources.parent / "compiled"
    folder.mkdir(exist_ok=True)
    content = f"library for {instructions}".encode()
    stem = name_shipped(kernel, sources, instructions)
    path = folder / f"{stem}-{hash_bytes(content)}.so"
    path.write_bytes(content)
    return path


def choose(sources: Path, *instructions: str) -> Path | None:
    return ready.choose_library(KERNEL, sources, sources.parent / "compiled", instructions)


def test_the_widest_that_fits_is_taken(sources: Path) -> None:
    plain = put_library(sources, "plain")
    wide = put_library(sources, "avx2")
    put_library(sources, "avx512")
    assert choose(sources, "avx2", "plain") == wide
    assert choose(sources, "plain") == plain
    assert choose(sources) is None


def test_one_that_was_cut_short_is_passed_over(sources: Path) -> None:
    plain = put_library(sources, "plain")
    put_library(sources, "avx2").write_bytes(b"library")
    assert choose(sources, "avx2", "plain") == plain


def test_one_of_other_sources_is_not_taken(sources: Path) -> None:
    put_library(sources, "plain")
    (sources / "hyperadam.c").write_text("void step(void) { }\n")
    assert choose(sources, "plain") is None


def test_one_of_another_kernel_is_not_taken(sources: Path) -> None:
    put_library(sources, "plain", KERNEL._replace(n_candidates=7))
    put_library(sources, "plain", KERNEL._replace(double=True))
    assert choose(sources, "plain") is None


def test_without_a_folder_there_is_none(sources: Path) -> None:
    assert choose(sources, "plain") is None


@pytest.mark.parametrize(
    ("machine", "capability", "instructions"),
    [
        ("x86_64", "AVX512", ["avx512", "avx2", "plain"]),
        ("AMD64", "AVX2", ["avx2", "plain"]),
        ("x86_64", "DEFAULT", ["plain"]),
        ("aarch64", "SVE256", ["plain"]),
        ("arm64", "DEFAULT", ["plain"]),
        ("riscv64", "DEFAULT", []),
    ],
)
def test_instructions_are_those_of_this_cpu(
    monkeypatch: pytest.MonkeyPatch, machine: str, capability: str, instructions: list[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert list(ready.list_instructions()) == instructions
