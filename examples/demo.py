"""The whole path on one laptop: a service meta-trains a small optimizer, whose Θ trains a network.

    python examples/demo.py [--keep]

What it does is what a user would do, with the public client. It starts a service, submits the
preset `tensor`, which trains the rule with its cells a tensor by exact derivatives, on real images,
follows it, pulls the new version over REST, trains a `torch.nn.Sequential` with it, and has the
service evaluate it beside tuned Adam.

It fails when, over paired starts, the learned optimizer is not clearly better than the untrained
one that meta-training began with, or that one not clearly better than Adam at its default rate. It
takes a few minutes on two cores; nothing is downloaded.
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
from hyperadam.cli.render import make_evaluation_table, make_training_table
from hyperadam.cli.watch import follow_job
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from meta_trainer.datasets import Dataset, load

PRESET: Final = "tensor"
LEARNED: Final = "hyperadam-tensor@latest"
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
    began = time.monotonic()
    home = Path(tempfile.mkdtemp(prefix="hyperadam-demo-"))
    os.environ["XDG_CACHE_HOME"] = str(home / "cache")
    try:
        with run_server(home) as client:
            passed = take_tour(client, home)
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
    console.print(f"{time.monotonic() - began:.0f} s in all")
    return 0 if passed else 1


def take_tour(client: hyperadam.Client, home: Path) -> bool:
    """What happens while the service runs; True when the learned optimizer is clearly better."""
    print_heading(f"1  meta-training: the preset {PRESET!r} on 5,000 images of MNIST")
    job = client.jobs.submit("meta-training", {"preset": PRESET}, name="demo")
    job = follow_to_success(client, job)
    result = client.jobs.result(job.id)
    assert isinstance(result, hyperadam.api.MetaTrainingResult)
    console.print(make_training_table(result))

    print_heading(f"2  {LEARNED}, pulled over REST, trains a network of yours")
    theta = client.optimizers.pull(LEARNED)
    untrained_file = client.jobs.download_result(job.id, "initial.safetensors", home)
    untrained = hyperadam.Theta.load(untrained_file)
    passed = compare(theta, untrained, load("mnist5k"))

    print_heading("3  evaluation by the service: the new version beside tuned Adam")
    evaluate(client)
    return passed


def evaluate(client: hyperadam.Client) -> None:
    """Have the service compare the new version with tuned Adam, and show what came out."""
    spec = {
        "optimizers": [LEARNED],
        "n_starts": 4,
        "n_tuning_starts": 2,
        "baselines": ["adam", "adam-1e-12"],
        "untrained": False,
    }
    job = client.jobs.submit("evaluation", spec, name="demo")
    job = follow_to_success(client, job)
    report = client.jobs.result(job.id)
    assert isinstance(report, EvaluationResult)
    console.print(make_evaluation_table(report))

    folder = Path(".work") / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    picture = client.jobs.download_result(job.id, "curves.png", folder)
    console.print(f"loss curves: {picture.resolve()}")


# --- the service ----------------------------------------------------------------------------------


@contextmanager
def run_server(home: Path) -> Iterator[hyperadam.Client]:
    """A service of its own in `home`, as a real process on a free port.

    It is stopped with everything that it started.
    """
    program = Path(sys.executable).with_name("hyperadam-server")
    log = home / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "up", "--home", home, "--port", str(find_free_port())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean_environment(),
            start_new_session=True,
        )
    try:
        with wait_until_ready(process, home, log) as client:
            yield client
    finally:
        with console.status("stopping the service"):
            stop(process)


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of any other service."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and not name.startswith(("HYPERADAM_", "RAY_", "MLFLOW_"))
    }


def wait_until_ready(process: subprocess.Popen[bytes], home: Path, log: Path) -> hyperadam.Client:
    """A client of the service, which finds address and key in the service's home."""
    os.environ["HYPERADAM_HOME"] = str(home)
    for name in ("HYPERADAM_URL", "HYPERADAM_API_KEY"):
        os.environ.pop(name, None)

    began = time.monotonic()
    reason = "no answer"
    with console.status("starting the service"):
        while time.monotonic() - began < READY_SECONDS:
            if process.poll() is not None:
                raise DemoFailed(
                    f"hyperadam-server ended with status {process.returncode}; "
                    f"its log ends:\n{read_tail(log)}"
                )
            try:
                client = hyperadam.Client()
                readiness = client.ready()
            except (hyperadam.ConfigurationError, hyperadam.ServerUnreachable) as error:
                reason = str(error)
            else:
                if readiness.ready:
                    seconds = time.monotonic() - began
                    console.print(f"the service is ready at {client.url} ({seconds:.0f} s)")
                    return client
                reason = describe(readiness)
            time.sleep(0.3)
    raise DemoFailed(
        f"the service is not ready after {READY_SECONDS:.0f} s: {reason}; "
        f"its log ends:\n{read_tail(log)}"
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the service to stop; kill its process group when it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def follow_to_success(client: hyperadam.Client, job: Job) -> Job:
    """Follow the job live, until it has succeeded."""
    job = follow_job(client, job, client.jobs.follow(job.id), console)
    if job.state != "succeeded":
        reason = f"{job.error.type}: {job.error.message}" if job.error else "see its log"
        end_of_log = client.jobs.logs(job.id).text[-4000:]
        raise DemoFailed(f"{job.kind} {job.id} {job.state}: {reason}\n{end_of_log}")
    return job


# --- training with it -----------------------------------------------------------------------------


def compare(theta: hyperadam.Theta, untrained: hyperadam.Theta, data: Dataset) -> bool:
    """Train with each optimizer from the same starts on the same minibatches.

    True when each is clearly better than the one below it.
    """
    optimizers: dict[str, MakeOptimizer] = {
        LEARNED: lambda parameters: hyperadam.HyperAdam(parameters, theta=theta),
        "its untrained start": lambda parameters: hyperadam.HyperAdam(parameters, theta=untrained),
        "Adam, lr 1e-3": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
    }
    with console.status(f"training {N_STARTS} networks with each of {len(optimizers)} optimizers"):
        final_losses = {
            name: train_from_all_starts(make, data) for name, make in optimizers.items()
        }

    better_losses = final_losses.pop(LEARNED)
    table = Table("optimizer", "final loss", "minus the one above", "", box=None, pad_edge=False)
    table.add_row(LEARNED, format_mean(better_losses))
    passed = True
    for name, losses in final_losses.items():
        mean, error = mean_with_error(losses - better_losses)
        is_worse = mean > CLEARLY * error
        passed = passed and is_worse
        better_losses = losses
        difference = f"{mean:+.4f} ± {error:.4f}"
        table.add_row(name, format_mean(losses), difference, format_verdict(is_worse))
    console.print(
        f"loss on all images after {N_STEPS} steps, "
        f"mean ± standard error over {N_STARTS} paired starts"
    )
    console.print(table)
    return passed


def train_from_all_starts(make: MakeOptimizer, data: Dataset) -> Tensor:
    """The final loss from each start."""
    losses = [train(make, data, start) for start in range(N_STARTS)]
    return torch.tensor(losses, dtype=torch.float64)


def train(make: MakeOptimizer, data: Dataset, start: int) -> float:
    """Mean loss on all images after training; the start also decides the minibatches."""
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


def mean_with_error(values: Tensor) -> tuple[float, float]:
    """Mean and standard error."""
    return float(values.mean()), float(values.std() / len(values) ** 0.5)


def format_mean(values: Tensor) -> str:
    mean, error = mean_with_error(values)
    return f"{mean:.4f} ± {error:.4f}"


def format_verdict(is_worse: bool) -> Text:
    if is_worse:
        return Text("clearly worse", "green")
    return Text("not clearly worse: the demo fails", "bold red")


# --- small things ---------------------------------------------------------------------------------


def out_of_time(*_: object) -> NoReturn:
    raise DemoFailed(
        f"not done after {LIMIT_SECONDS} s; run it with --keep and read server.log in the home"
    )


def print_heading(text: str) -> None:
    console.print()
    console.print(text, style="bold")


def describe(readiness: Readiness) -> str:
    troubles = {part: finding for part, finding in readiness.checks.items() if finding != "ok"}
    return "; ".join(f"{part}: {finding}" for part, finding in troubles.items())


def read_tail(log: Path, n_lines: int = 30) -> str:
    lines = log.read_text("utf-8", errors="replace").splitlines()
    return "\n".join(lines[-n_lines:])


def find_free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
