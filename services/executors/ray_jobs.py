"""Drivers as Ray Jobs: processes on the head node of a Ray cluster, which may use all its workers.

Ray refuses a second job with the same submission id, which makes submission repeatable. Ray's
status is only asked whether a process lives. About success it may be wrong after a change of the
head, and a head without fault tolerance forgets all jobs when it restarts.

The Jobs API runs whatever it is told, so it must be reachable by this service alone. Ray's own
client finds its token (`RAY_AUTH_MODE=token` with `RAY_AUTH_TOKEN` or `RAY_AUTH_TOKEN_PATH`).
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient

from services.executors.contract import (
    REQUEST_SECONDS,
    Executor,
    ExecutorUnavailable,
    ProcessStatus,
)

NODES_SECONDS: Final = 2.0
"""Limit of a question after the nodes, which can wait for the next time."""

_STATUS: Final[Mapping[JobStatus, ProcessStatus]] = {
    JobStatus.PENDING: "pending",
    JobStatus.RUNNING: "running",
    JobStatus.SUCCEEDED: "succeeded",
    JobStatus.FAILED: "failed",
    JobStatus.STOPPED: "failed",
}


class _UnknownJob(Exception):
    """Ray knows no job of that id."""


class _Client(JobSubmissionClient):
    """Ray's client, but with a time limit on every request."""

    def _do_request(self, method: str, endpoint: str, **arguments: Any) -> requests.Response:
        response: requests.Response = super()._do_request(
            method, endpoint, **{"timeout": REQUEST_SECONDS, **arguments}
        )
        return response


class RayJobsExecutor(Executor):
    """Jobs of one Ray cluster.

    Args:
        address: gives the URL of the cluster's dashboard, or raises ExecutorUnavailable while there
            is none.
        grace_seconds: time that Ray leaves a job between SIGTERM and SIGKILL.
        headers: gives what every request must carry, where Ray's client does not find the token
            by itself.
    """

    def __init__(
        self,
        address: Callable[[], str],
        *,
        grace_seconds: float,
        headers: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self._address = address
        self._grace_seconds = grace_seconds
        self._headers = headers
        self._connected: tuple[str, _Client] | None = None

    def check(self) -> None:
        with self._client() as client:
            client.get_version()

    def submit(self, process_id: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        variables = {**environment, "RAY_JOB_STOP_WAIT_TIME_S": str(math.ceil(self._grace_seconds))}
        with self._client() as client:
            try:
                # `exec`: a signal to the job reaches the driver, not a shell
                client.submit_job(
                    entrypoint=f"exec {shlex.join(argv)}",
                    submission_id=process_id,
                    runtime_env={"env_vars": variables},
                )
            except RuntimeError as error:
                if self.status(process_id) == "unknown":
                    raise ExecutorUnavailable(
                        f"Ray did not take {process_id}: {_shorten(error)}"
                    ) from error

    def status(self, process_id: str) -> ProcessStatus:
        try:
            with self._client() as client:
                return _STATUS[client.get_job_status(process_id)]
        except _UnknownJob:
            return "unknown"

    def stop(self, process_id: str) -> None:
        if self.status(process_id) in ("pending", "running"):
            with self._client() as client:
                client.stop_job(process_id)

    def kill(self, process_id: str) -> None:
        """Ray kills what it was asked to stop by itself, after the grace."""
        self.stop(process_id)

    def log(self, process_id: str, after: int = 0) -> bytes:
        try:
            with self._client() as client:
                return client.get_job_logs(process_id).encode()[after:]
        except _UnknownJob:
            return b""

    def list_nodes(self) -> Sequence[Mapping[str, float]]:
        with self._client() as client:
            path = "/api/v0/nodes?limit=1000&detail=true"
            response = client._do_request("GET", path, timeout=NODES_SECONDS)
            return read_nodes(response.json())

    @contextmanager
    def _client(self) -> Iterator[_Client]:
        """A connected client; its exceptions become ours."""
        address = self._address()
        try:
            yield self._connect(address)
        except (requests.RequestException, ConnectionError, AuthenticationError) as error:
            self._connected = None
            raise ExecutorUnavailable(f"Ray does not answer: {_shorten(error)}") from error
        except RuntimeError as error:
            if "status code 404" in str(error):
                raise _UnknownJob(str(error)) from error
            raise ExecutorUnavailable(f"Ray refused a request: {_shorten(error)}") from error

    def _connect(self, address: str) -> _Client:
        """The client of the last request, if the cluster is still there."""
        if self._connected is not None:
            connected_address, client = self._connected
            if connected_address == address:
                return client
        client = _Client(address, headers=self._headers())
        self._connected = (address, client)
        return client


def read_nodes(answer: object) -> list[Mapping[str, float]]:
    """The resources of the nodes that live, from an answer of Ray's state API; none of an answer
    that makes no sense."""
    try:
        nodes = answer["data"]["result"]["result"]  # type: ignore[index]
        return [dict(node["resources_total"]) for node in nodes if node["state"] == "ALIVE"]
    except (KeyError, TypeError, ValueError):
        return []


def _shorten(error: Exception) -> str:
    """The end of what may be a whole traceback of the head."""
    return str(error).strip()[-500:]
