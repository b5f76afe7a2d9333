"""The whole path on one laptop: a service is started, meta-trains a small optimizer, and its Θ
trains a network here.

    python examples/demo.py [--keep]

What it does is what a user would do, with the public client: submit the `quick` preset on real
images, follow it, pull the new version over REST, train a `torch.nn.Sequential` with it, and have
the service evaluate it beside tuned Adam. It fails when the learned optimizer is not clearly
better, over paired starts, than Adam at its default rate and than the untrained optimizer that
meta-training began with. A few minutes on two cores; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import hyperadam
import torch
from hyperadam.api import EvaluationResult, Job, Readiness
from hyperadam.cli.common import make_console
from hyperadam.cli.render import evaluation_table, training_table
from hyperadam.cli.watch import follow
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from meta_trainer.datasets import Dataset, load

N_STEPS: Final = 100
N_STARTS: Final = 12
BATCH_SIZE: Final = 128
READY_SECONDS: Final = 120.0
LIMIT_SECONDS: Final = 900
"""More than twice what the demo takes on two cores; then something is stuck."""
STOP_SECONDS: Final = 60.0
CLEARLY: Final = 2.0
"""Standard errors by which a mean difference must exceed zero."""

MakeOptimizer = Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]
console = make_console(stderr=False)


class DemoFailed(Exception):
    """The demo did not get where it should; the message says how far it came."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the service's home: database, artifacts, log"
    )
    keep = parser.parse_args().keep
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LIMIT_SECONDS)
    started = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="hyperadam-demo-"))
    os.environ["XDG_CACHE_HOME"] = str(home / "cache")
    try:
        with running_server(home) as client:
            passed = tour(client, home)
    except (DemoFailed, hyperadam.HyperAdamError) as error:
        console.print(f"the demo failed: {error}", style="red")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        signal.alarm(0)
        if keep:
            console.print(f"kept {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    console.print(f"{time.monotonic() - started:.0f} s in all")
    return 0 if passed else 1


def tour(client: hyperadam.Client, home: Path) -> bool:
    """Everything that happens while the service runs; True when the learned optimizer is clearly
    better."""
    heading("1  meta-training: the preset 'quick' on 5,000 images of MNIST")
    job = ended_well(client, client.jobs.submit("meta-training", {"preset": "quick"}, name="demo"))
    result = client.jobs.result(job.id)
    assert isinstance(result, hyperadam.api.MetaTrainingResult)
    console.print(training_table(result))

    heading("2  hyperadam@latest, pulled over REST, trains a network of yours")
    theta = client.optimizers.pull("hyperadam@latest")
    untrained = hyperadam.Theta.load(
        client.jobs.download_result(job.id, "initial.safetensors", home)
    )
    passed = compare(theta, untrained, load("mnist5k"))

    heading("3  evaluation by the service: the new version beside tuned Adam")
    spec = {
        "optimizers": ["hyperadam@latest"],
        "n_starts": 4,
        "n_tuning_starts": 2,
        "baselines": ["adam", "adam-1e-12"],
    }
    evaluation = ended_well(client, client.jobs.submit("evaluation", spec, name="demo"))
    report = client.jobs.result(evaluation.id)
    assert isinstance(report, EvaluationResult)
    console.print(evaluation_table(report))
    folder = Path(".work") / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    picture = client.jobs.download_result(evaluation.id, "curves.png", folder)
    console.print(f"loss curves: {picture.resolve()}")
    return passed


# --- the service ------------------------------------------------------------------------------------------------


@contextmanager
def running_server(home: Path) -> Iterator[hyperadam.Client]:
    """A service of its own in `home`, as a real process on a free port; stopped with everything
    that it started."""
    program = Path(sys.executable).with_name("hyperadam-server")
    log = home / "server.log"
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HYPERADAM_", "RAY_", "MLFLOW_"))
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "up", "--home", home, "--port", str(free_port())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in own.items() if name != "DATABASE_URL"},
            start_new_session=True,
        )
    try:
        with wait_until_ready(process, home, log) as client:
            yield client
    finally:
        with console.status("stopping the service"):
            stop(process)


def wait_until_ready(process: subprocess.Popen[bytes], home: Path, log: Path) -> hyperadam.Client:
    """A client of the service, which finds address and key in the service's home."""
    os.environ["HYPERADAM_HOME"] = str(home)
    for name in ("HYPERADAM_URL", "HYPERADAM_API_KEY"):
        os.environ.pop(name, None)
    began, found = time.monotonic(), "no answer"
    with console.status("starting the service"):
        while time.monotonic() - began < READY_SECONDS:
            if process.poll() is not None:
                raise DemoFailed(
                    f"hyperadam-server ended with status {process.returncode}; its log ends:\n{tail(log)}"
                )
            try:
                client = hyperadam.Client()
                state = client.ready()
            except (hyperadam.ConfigurationError, hyperadam.ServerUnreachable) as error:
                found = str(error)
            else:
                if state.ready:
                    console.print(
                        f"the service is ready at {client.url} ({time.monotonic() - began:.0f} s)"
                    )
                    return client
                found = describe(state)
            time.sleep(0.3)
    raise DemoFailed(
        f"the service is not ready after {READY_SECONDS:.0f} s: {found}; its log ends:\n{tail(log)}"
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the service to stop; kill its process group when it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ended_well(client: hyperadam.Client, job: Job) -> Job:
    """Follow the job live, until it has succeeded."""
    job = follow(client, job, console)
    if job.state != "succeeded":
        reason = f"{job.error.type}: {job.error.message}" if job.error else "see its log"
        raise DemoFailed(
            f"{job.kind} {job.id} {job.state}: {reason}\n{client.jobs.logs(job.id).text[-4000:]}"
        )
    return job


# --- training with it -------------------------------------------------------------------------------------------


def compare(theta: hyperadam.Theta, untrained: hyperadam.Theta, data: Dataset) -> bool:
    """Train from the same starts on the same minibatches with each optimizer; True when Θ is
    clearly the best."""
    optimizers: dict[str, MakeOptimizer] = {
        "hyperadam@latest": lambda parameters: hyperadam.HyperAdam(parameters, theta=theta),
        "its untrained start": lambda parameters: hyperadam.HyperAdam(parameters, theta=untrained),
        "Adam, lr 1e-3": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    }
    with console.status(f"training {N_STARTS} networks with each of {len(optimizers)} optimizers"):
        finals = {
            name: torch.tensor(
                [train(make, data, start) for start in range(N_STARTS)], dtype=torch.float64
            )
            for name, make in optimizers.items()
        }
    learned = finals["hyperadam@latest"]
    table = Table("optimizer", "final loss", "minus hyperadam@latest", "", box=None, pad_edge=False)
    passed = True
    for name, losses in finals.items():
        if name == "hyperadam@latest":
            table.add_row(name, mean_error(losses))
            continue
        mean, error = estimate(losses - learned)
        clearly = mean > CLEARLY * error
        passed = passed and clearly
        table.add_row(name, mean_error(losses), f"{mean:+.4f} ± {error:.4f}", verdict(clearly))
    console.print(
        f"loss on all images after {N_STEPS} steps, mean ± standard error over {N_STARTS} paired starts"
    )
    console.print(table)
    return passed


def train(make: MakeOptimizer, data: Dataset, start: int) -> float:
    """Mean loss on all images after training from this start; the start also decides the
    minibatches."""
    torch.manual_seed(start)
    model = nn.Sequential(nn.Linear(data.n_features, 32), nn.ReLU(), nn.Linear(32, data.n_classes))
    optimizer = make(model.parameters())
    for _ in range(N_STEPS):
        images, labels = data.minibatch(torch.randint(len(data), (BATCH_SIZE,)))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    with torch.no_grad():
        images, labels = data.minibatch(torch.arange(len(data)))
        return float(nn.functional.cross_entropy(model(images), labels))


def estimate(values: Tensor) -> tuple[float, float]:
    """Mean and standard error."""
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


def mean_error(values: Tensor) -> str:
    mean, error = estimate(values)
    return f"{mean:.4f} ± {error:.4f}"


def verdict(clearly: bool) -> Text:
    return (
        Text("clearly worse", "green")
        if clearly
        else Text("not clearly worse: the demo fails", "bold red")
    )


# --- small things -----------------------------------------------------------------------------------------------


def out_of_time(*_: object) -> NoReturn:
    raise DemoFailed(
        f"not done after {LIMIT_SECONDS} s; run it with --keep and read server.log in the home"
    )


def heading(text: str) -> None:
    console.print()
    console.print(text, style="bold")


def describe(state: Readiness) -> str:
    return "; ".join(
        f"{part}: {finding}" for part, finding in state.checks.items() if finding != "ok"
    )


def tail(log: Path, n_lines: int = 30) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-n_lines:])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
