"""The vector functions of the kernel against the C library in double precision: accuracy, ranges,
NaN."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hyperadam.kernels import recipe

pytestmark = pytest.mark.usefixtures("needs_compiler")

NAMES = (
    "exp",
    "expm1",
    "tanh",
    "asinh",
    "sigmoid",
    "complement",
    "elu",
    "sqrt",
    "rsqrt",
    "reciprocal",
)
PROBE = """
#include "vector.h"
INLINE vec v_complement(vec x) { vec y; v_sigmoid(x, &y); return y; }
INLINE vec v_logistic(vec x) { vec y; return v_sigmoid(x, &y); }
#define v_sigmoid v_logistic
#define PROBE(f)                                                               \\
    void f##_all(const real *x, real *y, int n) {                              \\
        for (int i = 0; i < n; i += LANES) {                                   \\
            vec t;                                                             \\
            memcpy(&t, x + i, sizeof t);                                       \\
            t = v_##f(t);                                                      \\
            memcpy(y + i, &t, sizeof t);                                       \\
        }                                                                      \\
    }
""" + "\n".join(f"PROBE({name})" for name in NAMES)


@pytest.fixture(scope="module", params=["native", "portable"])
def probe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions with this machine's instructions, and in their portable form."""
    compiler = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    folder = tmp_path_factory.mktemp("probe")
    (folder / "probe.c").write_text(PROBE)
    native = Path(recipe.__file__).parent / "native"
    flags = [flag for flag in recipe.FLAGS if flag != "-w"] + [
        "-fPIC",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-psabi",
    ]
    tuning = ["-march=native"] if request.param == "native" else []
    command = [compiler, *flags, *tuning, f"-I{native}", "-o", "probe.so", "probe.c", "-lm"]
    subprocess.run(command, cwd=folder, check=True, timeout=60)
    return ctypes.CDLL(str(folder / "probe.so"))


def apply(probe: ctypes.CDLL, name: str, x: np.ndarray) -> np.ndarray:
    padded = np.zeros(-(-len(x) // 16) * 16, np.float32)
    padded[: len(x)] = x
    y = np.empty_like(padded)
    pointer = ctypes.c_void_p
    getattr(probe, f"{name}_all")(pointer(padded.ctypes.data), pointer(y.ctypes.data), len(padded))
    return y[: len(x)]


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


EXACT = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "complement": lambda x: 1 / (1 + np.exp(x)),
    "elu": elu,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
}


@pytest.mark.parametrize("name", NAMES)
def test_relative_error(probe: ctypes.CDLL, name: str) -> None:
    sizes = np.exp(np.linspace(np.log(1e-20), np.log(80), 20_000))
    x = np.concatenate([sizes, -sizes, np.linspace(-80, 80, 20_000)]).astype(np.float32)
    if name in ("sqrt", "rsqrt", "reciprocal"):
        x = np.exp(np.linspace(np.log(1e-30), np.log(1e30), 50_000)).astype(np.float32)
    exact = EXACT[name](x.astype(np.float64))
    error = np.abs(apply(probe, name, x) - exact) / np.abs(exact)
    assert np.nanmax(error) < 3e-7


@pytest.mark.parametrize("name", [name for name in NAMES if name != "exp"])
def test_nan_in_nan_out(probe: ctypes.CDLL, name: str) -> None:
    assert np.isnan(apply(probe, name, np.array([np.nan, -np.nan], np.float32))).all()


def test_far_out(probe: ctypes.CDLL) -> None:
    far = np.array([-np.inf, -1e30, -100, 100, 1e30, np.inf], np.float32)
    assert apply(probe, "tanh", far).tolist() == [-1, -1, -1, 1, 1, 1]
    np.testing.assert_allclose(apply(probe, "sigmoid", far), [0, 0, 0, 1, 1, 1], atol=1e-37)
    np.testing.assert_allclose(apply(probe, "complement", far), [1, 1, 1, 0, 0, 0], atol=1e-37)
    assert apply(probe, "elu", far).tolist() == [-1, -1, -1, 100, np.float32(1e30), np.inf]
    assert apply(probe, "asinh", np.zeros(1, np.float32)).tolist() == [0]
