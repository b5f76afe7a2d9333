"""The compiled library for one J and dtype: the one that came with the package, or one that is made
of the sources in `native/` at first use, once for each user and machine type.

What is made goes to the user's cache under three digests: of what decides what it does (sources,
flags, CPU), of the compiler, and of its own bytes. It is written aside and renamed, so processes
may race; one that was cut short or overwritten is not what its name says, and is made again. As the
file will be loaded as code, its folder must be this user's alone.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from hyperadam import settings
from hyperadam.kernels.ready import find_ready, is_whole
from hyperadam.kernels.recipe import (
    COMPILE_SECONDS,
    FLAGS,
    SUFFIX,
    CompilerError,
    Kernel,
    digest_sources,
    hash_bytes,
    run_compiler,
)

_TUNING: Final = (("-march=native",), ("-mcpu=native",), ())
"""Tried in turn: not every compiler knows every one of them on every architecture."""
_COMPILERS: Final = ("cc", "gcc", "clang") if os.name == "posix" else ("clang",)
"""GCC does not keep stacks aligned for wide vectors on Windows."""


class BuildError(RuntimeError):
    """The kernel could not be compiled here; the message says why."""


def compile_library(n_candidates: int, double: bool, *, source: str = "hyperadam.c") -> Path:
    """The compiled library for one J and dtype: ready, from the cache, or made now.

    Args:
        n_candidates: J.
        double: float64, not float32.
        source: the file of `native/` that is compiled.

    Raises:
        BuildError: no working compiler and no library of one, or no cache folder that is safe to
            load code from.
    """
    kernel = Kernel(source, n_candidates, double)
    try:
        return find_ready(kernel) or _find_or_make(kernel)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise BuildError(str(error)) from error


def _find_or_make(kernel: Kernel) -> Path:
    """The library in the user's cache, made now if need be."""
    folder = make_private_folder(settings.find_cache_dir() / "kernels")
    with resources.as_file(resources.files("hyperadam.kernels") / "native") as sources:
        choices = repr((FLAGS, _TUNING, kernel.defines, _describe_cpu()))
        stem = f"{kernel.stem}-{digest_sources(sources, choices)}"
        try:
            command = _find_compiler()
            stem = f"{stem}-{hash_bytes(repr((command, _read_version(command))).encode())[:8]}"
        except (BuildError, OSError, subprocess.SubprocessError):
            # What another compiler made of the same sources does the same.
            library = find_library(folder, stem)
            if library is None:
                raise
            return library
        return find_library(folder, stem) or _compile(command, kernel, sources, folder, stem)


def find_library(folder: Path, stem: str) -> Path | None:
    """A library whose name begins so and whose bytes are those that its name says; those with
    others are removed."""
    for path in sorted(folder.glob(f"{stem}-*{SUFFIX}")):
        _check_owner(path)
        if is_whole(path):
            return path
        path.unlink(missing_ok=True)
    return None


def make_private_folder(folder: Path) -> Path:
    """The folder, made if need be, if nobody but this user can write to it.

    Raises:
        BuildError: it is a link, another user's, or writable by others.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_owner(folder)
    return folder


def _check_owner(path: Path) -> None:
    if not hasattr(os, "geteuid"):
        return  # Windows: a profile's folders are its user's, and modes say nothing.
    status = path.lstat()
    is_link = stat.S_ISLNK(status.st_mode)
    is_anothers = status.st_uid != os.geteuid()
    others_may_write = bool(status.st_mode & 0o022)
    if is_link or is_anothers or others_may_write:
        raise BuildError(f"{path} must belong to this user alone and be no link")


def _find_compiler() -> tuple[str, ...]:
    """The command of a C compiler."""
    preferred = settings.read_compiler()
    names = [preferred] if preferred else _COMPILERS
    for name in names:
        try:
            command = tuple(shlex.split(name))
        except ValueError as error:
            raise BuildError(f"CC is not a command: {error}, got {name!r}") from None
        if command and shutil.which(command[0]):
            return command
    raise BuildError(f"no C compiler found ({', '.join(names)})")


@cache
def _read_version(command: tuple[str, ...]) -> str:
    process = subprocess.run(
        [*command, "--version"], capture_output=True, text=True, timeout=COMPILE_SECONDS, check=True
    )
    return process.stdout


@cache
def _describe_cpu() -> str:
    """What `-march=native` depends on: machine, model and instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    facts: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        facts[key.strip()] = value.strip()
    model = [facts.get(key) for key in ("model name", "flags", "CPU part", "Features")]
    return repr((platform.platform(), platform.machine(), platform.processor(), model))


def _tell_of_compiling(source: str) -> None:
    """A line for people who wait; none in a log or a pipe."""
    if sys.stderr is not None and sys.stderr.isatty():
        note = f"hyperadam: compiling {source} for this machine, once; it takes some seconds"
        sys.stderr.write(f"{note}\n")


def _compile(
    command: tuple[str, ...], kernel: Kernel, sources: Path, folder: Path, stem: str
) -> Path:
    """Tries the tunings in turn. The library is written aside and put in place when it is whole.

    Args:
        sources: the folder `native`.
        folder: where it is put.
        stem: what its name begins with.
    """
    _tell_of_compiling(kernel.source)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".building-", suffix=SUFFIX)
    os.close(handle)
    partial = Path(name)
    position = ("-fPIC",) if os.name == "posix" else ()
    try:
        for tuning in _TUNING:
            try:
                run_compiler(command, (*position, *tuning), kernel, sources, partial)
            except CompilerError as error:
                refusal = error
                continue
            partial.chmod(0o700)
            target = folder / f"{stem}-{hash_bytes(partial.read_bytes())}{SUFFIX}"
            partial.replace(target)
            return target
        raise refusal
    finally:
        partial.unlink(missing_ok=True)
