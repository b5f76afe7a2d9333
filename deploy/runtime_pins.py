"""The pins of constraints.txt that the server needs to run, without what it is developed with.

    python deploy/runtime_pins.py constraints.txt > pins

It follows the requirements of the installed distributions. torch and torchvision are left out:
which build of them is right depends on the machine, and they are installed before.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DRIVERS = ("boto3", "google-cloud-storage")
"""The extras `s3` and `gcs`: who deploys on several machines needs one of them."""
ROOTS = ("hyperadam", "hyperadam-server", *DRIVERS)
BY_THE_MACHINE = frozenset({"torch", "torchvision", "triton"})


def list_runtime(roots: tuple[str, ...] = ROOTS) -> set[str]:
    """Canonical names of all distributions that these require, their extras included."""
    found: set[str] = set()
    open_items = [(root, frozenset[str]()) for root in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_items:
        item = open_items.pop()
        if item in seen:
            continue
        seen.add(item)
        name, extras = item
        found.add(name)
        open_items += _list_requirements(name, extras)
    return found


def _list_requirements(name: str, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # for another platform
        return []
    needed = []
    for line in lines:
        requirement = Requirement(line)
        environments = [{"extra": extra} for extra in ("", *extras)]
        marker = requirement.marker
        if marker is None or any(marker.evaluate(environment) for environment in environments):
            needed.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return needed


def read_pins(file: Path) -> dict[str, str]:
    """Canonical name → `name==version`, of a file of constraints."""
    pins = {}
    for line in file.read_text("utf-8").splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==\S+", line)
        if match:
            pins[canonicalize_name(match[1])] = match[0]
    return pins


def main() -> None:
    pins = read_pins(Path(sys.argv[1]))
    names = sorted((list_runtime() & pins.keys()) - BY_THE_MACHINE)
    sys.stdout.writelines(f"{pins[name]}\n" for name in names)


if __name__ == "__main__":
    main()
