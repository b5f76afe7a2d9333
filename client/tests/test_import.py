"""`import hyperadam` is cheap, and what it offers is pinned."""

from __future__ import annotations

import subprocess
import sys

import hyperadam
import hyperadam.api  # these bind names in the package: they must hide none of its public ones
import hyperadam.optimizers
import hyperadam.shipped
import pytest
import torch
from hyperadam import Theta
from hyperadam.shipped import DEFAULT

pytestmark = pytest.mark.slow

OPTIMIZERS = {
    "DMOptimizer",
    "HyperAdam",
    "PolynomialAverage",
    "RNNprop",
    "Theta",
    "ThetaError",
    "__version__",
    "pretrained",
    "pretrained_names",
}
CLIENT = {
    "ApiError",
    "AsyncClient",
    "BadAnswer",
    "BadRequest",
    "Client",
    "ConfigurationError",
    "Conflict",
    "DamagedDownload",
    "Forbidden",
    "HyperAdamError",
    "IdempotencyMismatch",
    "InternalError",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "QuotaExceeded",
    "RangeNotSatisfiable",
    "ServerUnreachable",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnsupportedMediaType",
    "ValidationFailed",
    "pull",
}


def test_public_names_are_these() -> None:
    assert set(hyperadam.__all__) == OPTIMIZERS | CLIENT
    assert dir(hyperadam) == sorted(hyperadam.__all__)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS | CLIENT))
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(hyperadam, name)
    assert isinstance(value, str) or value.__name__ == name


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'hyperadam' has no attribute 'Adam'"):
        _ = hyperadam.Adam


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    no_network = "import sys, socket\nsocket.socket.connect = None"
    code = f"{no_network}\n{statement}\nprint(*sorted(sys.modules))"
    command = [sys.executable, "-W", "error", "-c", code]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return {name.partition(".")[0] for name in printed.split()}


def test_import_loads_nothing_heavy() -> None:
    loaded = modules_after("import hyperadam; dir(hyperadam); hyperadam.__version__")
    assert "hyperadam" in loaded
    assert not loaded & {
        "torch",
        "numpy",
        "safetensors",
        "httpx2",
        "rich",
        "typer",
        "ray",
        "mlflow",
        "fastapi",
    }


def test_the_optimizer_needs_no_client_and_no_server() -> None:
    loaded = modules_after("import hyperadam; hyperadam.HyperAdam; hyperadam.pretrained()")
    assert "torch" in loaded
    assert not loaded & {
        "httpx2",
        "rich",
        "typer",
        "ray",
        "mlflow",
        "fastapi",
        "pydantic",
        "sqlalchemy",
        "torchvision",
    }


class TestPretrained:
    def test_every_one_loads(self) -> None:
        assert hyperadam.pretrained_names() == [
            "dm-paper",
            "hyperadam-paper",
            "hyperadam-v0",
            "hyperadam-v1",
            "hyperadam-v2",
            "hyperadam-v3",
            "hyperadam-v4",
            "hyperadam-v5",
            "hyperadam-v6",
            "hyperadam-v7",
            "hyperadam-v8",
            "hyperadam-v9",
            "rnnprop-paper",
        ]
        for name in hyperadam.pretrained_names():
            theta = hyperadam.pretrained(name)
            assert isinstance(theta, Theta)
            assert {"job", "spec", "datasets", "code", "metrics"} <= set(theta.provenance)

    def test_one_name_is_the_default_of_the_function_and_of_the_optimizer(self) -> None:
        assert hyperadam.pretrained().sha256 == hyperadam.pretrained(DEFAULT).sha256
        optimizer = hyperadam.HyperAdam([torch.nn.Parameter(torch.ones(2))])
        assert optimizer.theta.sha256 == hyperadam.pretrained(DEFAULT).sha256

    def test_that_of_the_paper_is_of_its_size_and_does_not_depend_on_the_learners(self) -> None:
        theta = hyperadam.pretrained("hyperadam-v1")
        assert theta.rule.n_theta == 5380
        assert theta.rule.spec.normalization == "rms"

    @pytest.mark.parametrize("n_steps", [0, 1, 100, 300, 400])
    def test_the_ninth_is_the_eighth_in_runs_of_up_to_400_steps(self, n_steps: int) -> None:
        """Told them, or not told: what reports say of short runs of the one is true of the
        other."""
        eighth, ninth = (hyperadam.pretrained(f"hyperadam-v{number}") for number in (8, 9))
        assert ninth.rule.spec == eighth.rule.spec
        assert torch.equal(ninth.vector, eighth.vector)
        rates = (eighth.rate.over(n_steps), ninth.rate.over(n_steps))
        one, other = ([rate.at(step) for step in range(1000)] for rate in rates)
        assert one == other
        assert ninth.rate.over(2000).at(40) < eighth.rate.over(2000).at(40)

    def test_each_call_gives_one_of_its_own(self) -> None:
        for tensor in hyperadam.pretrained().tensors.values():
            tensor.fill_(7.0)
        assert not (hyperadam.pretrained().vector == 7.0).any()

    @pytest.mark.parametrize(
        "name", ["hyperadam", "", "../theta", "hyperadam-v1.safetensors", "README"]
    )
    def test_unknown_name_lists_the_names(self, name: str) -> None:
        with pytest.raises(
            ValueError,
            match=r"no pretrained Θ is named '.*'; there are: dm-paper, hyperadam-paper, ",
        ):
            hyperadam.pretrained(name)
