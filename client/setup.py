"""Puts compiled kernels into a wheel, where `HYPERADAM_COMPILE_KERNELS=1` asks for it.

Such a wheel is for one platform and for every Python. Without the variable it is for all platforms,
and kernels are compiled at first use. What is compiled, and how: `hyperadam/kernels/recipe.py`.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

KERNELS = Path(__file__).parent / "hyperadam" / "kernels"
WANTED = os.environ.get("HYPERADAM_COMPILE_KERNELS", "0") == "1"


def load_recipe():
    """`hyperadam.kernels.recipe`, without what its package imports."""
    spec = importlib.util.spec_from_file_location("recipe", KERNELS / "recipe.py")
    recipe = importlib.util.module_from_spec(spec)
    sys.modules["recipe"] = recipe
    spec.loader.exec_module(recipe)
    return recipe


class BuildKernels(build_py):
    """Compiles kernels beside the modules; what an earlier build has left there goes."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib) / "hyperadam" / "kernels" / "compiled"
        shutil.rmtree(folder, ignore_errors=True)
        if WANTED:
            self.compile_kernels(folder)

    def compile_kernels(self, folder):
        recipe = load_recipe()
        platform = sysconfig.get_platform()
        machine = recipe.name_machine(platform.rpartition("-")[2])
        if machine is None:
            raise SystemExit(f"no kernels are made for {platform}")
        command = shlex.split(os.environ.get("CC") or "cc")
        command += shlex.split(os.environ.get("ARCHFLAGS", ""))
        if not platform.startswith("win"):
            command.append("-fPIC")
        recipe.compile_shipped(command, machine, KERNELS / "native", folder)


class PlatformWheel(bdist_wheel):
    """For any Python: no kernel knows which one opens it."""

    def get_tag(self):
        platform = super().get_tag()[2]
        return "py3", "none", platform


class MaybeCompiled(Distribution):
    """For one platform, with kernels inside."""

    def has_ext_modules(self):
        return WANTED


setup(
    distclass=MaybeCompiled,
    cmdclass={"build_py": BuildKernels, "bdist_wheel": PlatformWheel},
)
