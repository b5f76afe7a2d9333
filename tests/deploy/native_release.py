"""A release of the chart without Kubernetes: the commands, environment and files of its rendered
pods as processes of this machine, which find each other on loopback.

What a pod is given by others is played here: Kubernetes gives names to Services, files to secrets
and folders to volumes; KubeRay makes commands of `rayStartParams` and tells the head of its Redis.
"""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.embedded.ray_holder import find_free_ports
from tests.deploy.charts import Manifest, find, get_container, list_pods
from tests.endings import ENVIRONMENT, end_all

BIN = Path(sys.executable).parent
INHERITED = ("PATH", "PYTHONPATH", "LANG", "OMP_NUM_THREADS")
ENDING_SECONDS = 40
PATIENCE_SECONDS = 600
N_STARTS = 3


class Release:
    """The pods of a release as processes, started one by one."""

    def __init__(self, manifests: list[Manifest], folder: Path) -> None:
        self.manifests = manifests
        self.folder = folder
        self.pods = list_pods(manifests)
        self.secrets = folder / "secrets"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._places: dict[str, str] = {}
        self._write_secrets()

    def _write_secrets(self) -> None:
        self.secrets.mkdir(mode=0o700)
        for key, value in find(self.manifests, "Secret", "-secrets")["data"].items():
            (self.secrets / key).write_bytes(base64.b64decode(value))

    def place(self, service: str, port: int, own_port: int | None = None) -> int:
        """Say where a Service is on loopback; a free port where none is given."""
        own_port = own_port or find_free_ports(1)[0]
        self._places[f"{service}:{port}"] = f"127.0.0.1:{own_port}"
        return own_port

    def localize(self, text: str, process: str) -> str:
        """A text of a manifest with the places of this machine."""
        for place, own_place in self._places.items():
            text = text.replace(place, own_place)
        text = text.replace("/run/secrets/hyperadam", str(self.secrets))
        for path, name in (("/var/lib/hyperadam", "state"), ("/run/hyperadam", "home")):
            own = self.folder / process / name
            own.mkdir(parents=True, exist_ok=True)
            text = text.replace(path, str(own))
        return text

    def environment(self, component: str, process: str) -> dict[str, str]:
        """The pod's variables, and what the image sets."""
        container = get_container(self.pods[component])
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment["HOME"] = self.localize("/run/hyperadam", process)
        for item in container.get("env", []):
            if "value" in item:
                environment[item["name"]] = self.localize(item["value"], process)
            else:
                key = item["valueFrom"]["secretKeyRef"]["key"]
                environment[item["name"]] = (self.secrets / key).read_text()
        return environment

    def command(self, component: str, process: str) -> list[str]:
        command = get_container(self.pods[component])["command"]
        return [self.localize(word, process) for word in command]

    def start(
        self,
        process: str,
        command: list[str],
        environment: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        own = self.folder / process
        own.mkdir(exist_ok=True)
        executable = BIN / command[0]
        program = str(executable) if executable.exists() else command[0]
        with (own / "log").open("ab") as log:
            self.processes[process] = subprocess.Popen(
                [program, *command[1:]],
                env={**environment, **ENVIRONMENT},
                cwd=folder or own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def run(self, process: str, command: list[str], environment: Mapping[str, str]) -> str:
        """What a command prints that ends by itself."""
        (self.folder / process).mkdir(exist_ok=True)
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            env=dict(environment),
            cwd=self.folder / process,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def keep(
        self, process: str, command: list[str], environment: Mapping[str, str], healthy: str
    ) -> None:
        """Start it until it answers: on a busy machine parts of Ray give up, and Kubernetes starts
        a pod again that has ended."""
        for _ in range(N_STARTS):
            self.start(process, command, environment)
            if self._is_answered(healthy, process):
                return
        raise self._describe(process, f"{N_STARTS} starts, and never an answer at {healthy}")

    def wait_for(self, url: str, process: str) -> None:
        """Until a process answers; says what it wrote if it does not."""
        if not self._is_answered(url, process):
            raise self._describe(process, f"no answer at {url}")

    def _is_answered(self, url: str, process: str) -> bool:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.processes[process].poll() is None:
            if ask(url) == 200:
                return True
            time.sleep(0.2)
        return False

    def _describe(self, process: str, trouble: str) -> AssertionError:
        log = (self.folder / process / "log").read_text(errors="replace")
        return AssertionError(f"{process}: {trouble}:\n{log[-4000:]}")

    def stop(self) -> None:
        """End everything, the last first, with what each has started."""
        own = [name for name in reversed(self.processes) if self._is_our_own(name)]
        try:
            end_all(
                {name: self.processes[name] for name in own},
                {name: self.folder / name / "log" for name in own},
            )
        finally:
            self._stop_others()

    def _is_our_own(self, name: str) -> bool:
        return Path(str(self.processes[name].args[0])).name == "hyperadam-server"

    def _stop_others(self) -> None:
        """Ray drains its nodes for as long as it likes, and is not waited for."""
        for process in reversed(list(self.processes.values())):
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDING_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ask(url: str) -> int:
    """The status of an answer; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return 0


def make_ray_options(group: Manifest) -> list[str]:
    """As KubeRay makes them: the parameters, and the cores that the pod's limits say."""
    parameters: dict[str, Any] = dict(group["rayStartParams"])
    limits = get_container(group["template"])["resources"]["limits"]
    parameters.setdefault("num-cpus", limits["cpu"])
    options = []
    for name, value in sorted(parameters.items()):
        options.append(f"--{name}" if value == "true" else f"--{name}={value}")
    return [*options, "--block"]
