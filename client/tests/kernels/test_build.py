"""Compiling at first use: once, safely beside others, only from folders of one's own, and never as
a failure."""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hyperadam.kernels import (
    ReferenceStepper,
    ReferenceTape,
    build,
    library,
    open_stepper,
    open_tape,
    recipe,
)
from hyperadam.rules import HyperAdamRule, HyperAdamSpec
from hyperadam.settings import SettingsError

pytestmark = pytest.mark.slow


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one. What is compiled into it is found, damaged and loaded, but not timed: to
    optimize it would take most of the time."""
    quick = tuple("-O0" if flag == "-O3" else flag for flag in recipe.FLAGS)
    assert quick != recipe.FLAGS
    for module in (recipe, build):
        monkeypatch.setattr(module, "FLAGS", quick)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "hyperadam" / "kernels"


@pytest.fixture
def fresh(cache: Path) -> Iterator[Path]:
    """Nothing is loaded yet, nor is anything after."""
    for function in (library.load_library, library.warn_once):
        function.cache_clear()
    yield cache
    for function in (library.load_library, library.warn_once):
        function.cache_clear()


@pytest.mark.usefixtures("needs_compiler")
def test_compiles_once_into_a_private_folder(cache: Path) -> None:
    first = build.compile_library(2, double=False)
    written_at = first.stat().st_mtime_ns
    assert build.compile_library(2, double=False) == first
    assert first.stat().st_mtime_ns == written_at
    assert build.compile_library(2, double=True) != first
    assert cache.stat().st_mode & 0o777 == 0o700
    assert [file.suffix for file in cache.iterdir()] == [".so", ".so"]


@pytest.mark.usefixtures("needs_compiler")
def test_racers_all_get_a_whole_library(cache: Path) -> None:
    with ThreadPoolExecutor(3) as racers:
        block_sizes = list(
            racers.map(
                lambda _: ctypes.CDLL(str(build.compile_library(2, double=False))).block_size(),
                range(3),
            )
        )
    assert block_sizes == [recipe.BLOCK] * 3
    assert len(list(cache.iterdir())) == 1


@pytest.mark.usefixtures("needs_compiler")
def test_code_is_never_loaded_from_where_others_can_write(cache: Path, tmp_path: Path) -> None:
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    with pytest.raises(build.BuildError, match="must belong to this user alone"):
        build.compile_library(2, double=False)
    cache.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(build.BuildError, match="be no link"):
        build.compile_library(2, double=False)
    cache.unlink()
    library_file = build.compile_library(2, double=False)
    library_file.chmod(0o666)
    with pytest.raises(build.BuildError, match="must belong to this user alone"):
        build.compile_library(2, double=False)


@pytest.mark.usefixtures("needs_compiler")
@pytest.mark.parametrize("damage", ["cut short", "emptied", "zeroed"])
def test_a_damaged_library_is_made_again(cache: Path, damage: str) -> None:
    """Loading it would end the process (SIGBUS), or fail in every run."""
    path = build.compile_library(2, double=False)
    whole = path.read_bytes()
    rests = {"cut short": whole[: len(whole) // 2], "emptied": b"", "zeroed": bytes(len(whole))}
    path.write_bytes(rests[damage])
    again = build.compile_library(2, double=False)
    assert ctypes.CDLL(str(again)).block_size() == recipe.BLOCK
    assert list(cache.iterdir()) == [again]


@pytest.mark.usefixtures("needs_compiler")
@pytest.mark.parametrize("compiler", ["no-such-compiler", "false", 'gcc "'])
def test_without_a_working_compiler_what_another_made_is_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch, compiler: str
) -> None:
    monkeypatch.delenv("CC", raising=False)
    path = build.compile_library(2, double=False)
    monkeypatch.setenv("CC", compiler)
    assert build.compile_library(2, double=False) == path
    with pytest.raises(build.BuildError):
        build.compile_library(3, double=False)
    assert list(cache.iterdir()) == [path]


@pytest.mark.usefixtures("cache")
def test_a_compiler_with_an_open_quote_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", 'gcc "')
    with pytest.raises(build.BuildError, match="CC is not a command: No closing quotation"):
        build.compile_library(2, double=False)


def test_where_users_have_no_numbers_folders_are_made(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    monkeypatch.delattr(os, "geteuid")
    assert build.make_private_folder(cache).is_dir()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_another_users_folder_is_refused(cache: Path) -> None:
    cache.mkdir(parents=True, mode=0o700)
    os.chown(cache, 12345, 12345)
    with pytest.raises(build.BuildError, match="must belong to this user alone"):
        build.make_private_folder(cache)


def test_a_compiler_that_fails_is_quoted(
    cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "out of registers" >&2\nexit 1\n'
    )
    broken.chmod(0o700)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(build.BuildError, match="out of registers"):
        build.compile_library(2, double=False)
    assert list(cache.iterdir()) == []


def test_without_a_compiler_plain_torch_runs_and_says_so_once(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.delenv("HYPERADAM_KERNEL", raising=False)
    with caplog.at_level(logging.WARNING, "hyperadam"):
        for n_candidates in (2, 3):
            rule = HyperAdamRule(HyperAdamSpec(n_candidates=n_candidates))
            theta = rule.pack(rule.init_theta(torch.Generator()))
            gradient = torch.ones(1, 5, dtype=torch.float64)
            assert isinstance(open_tape(rule, theta, rule.init_state(gradient)), ReferenceTape)
            assert isinstance(open_stepper(rule, theta), ReferenceStepper)
    assert len(caplog.records) == 1
    assert "no C compiler found (no-such-compiler)" in caplog.text
    assert not list(fresh.iterdir())


@pytest.mark.parametrize(("value", "plain"), [("off", True), ("auto", False), ("", False)])
@pytest.mark.usefixtures("needs_compiler")
def test_the_switch(monkeypatch: pytest.MonkeyPatch, value: str, plain: bool) -> None:
    monkeypatch.setenv("HYPERADAM_KERNEL", value)
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=1))
    assert isinstance(open_stepper(rule, torch.zeros(rule.n_theta)), ReferenceStepper) == plain


def test_an_unknown_switch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERADAM_KERNEL", "fast")
    rule = HyperAdamRule()
    with pytest.raises(
        SettingsError, match="HYPERADAM_KERNEL must be one of auto, off, got 'fast'"
    ):
        open_stepper(rule, torch.zeros(rule.n_theta))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_dtypes_run_on_plain_torch(dtype: torch.dtype) -> None:
    rule = HyperAdamRule(HyperAdamSpec(n_candidates=2))
    assert isinstance(open_stepper(rule, torch.zeros(rule.n_theta, dtype=dtype)), ReferenceStepper)
