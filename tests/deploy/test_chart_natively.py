"""The rendered chart runs: a study goes through the commands, environment and wiring of its pods.

Postgres and Redis are real, and so are MLflow's server and a Ray head with two nodes. moto's server
stands in for MinIO, which no package registry has.
"""

from __future__ import annotations

import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import httpx2
import pytest

from services.embedded.ray_holder import find_free_ports
from tests.deploy.charts import find, get_container, read_environment, read_values, render_values
from tests.deploy.native_release import PATIENCE_SECONDS, Release, make_ray_options
from tests.meta_trainer.conftest import TINY
from tests.postgres import Postgres

pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this machine")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="Redis is not installed"),
]

ENDED = ("succeeded", "failed", "cancelled")
STORE_BYTES = 100 << 20
STUDY = {
    "base": {**TINY, "n_episodes": 2},
    "space": {"meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-3, "high": 1e-1}},
    "searcher": {"kind": "random"},
    "limits": {"trials": 2},
}


@pytest.fixture
def release(postgres: Postgres) -> Iterator[Release]:
    """The chart's trial, all of whose pods run."""
    with TemporaryDirectory(prefix="try-", ignore_cleanup_errors=True) as name:
        release = Release(render_values(read_values("trial")), Path(name))
        try:
            start_stores(release, postgres)
            start_ray(release)
            start_services(release)
            yield release
        finally:
            release.stop()
            for database in ("hyperadam", "mlflow"):
                postgres.drop_database(database)
            postgres.execute("DROP ROLE IF EXISTS hyperadam")


def start_stores(release: Release, postgres: Postgres) -> None:
    release.place("try-hyperadam-postgres", 5432, postgres.port)
    of_the_image = read_environment(get_container(release.pods["postgres"]))
    user = of_the_image["POSTGRES_USER"]
    postgres.execute(f"CREATE ROLE {user} LOGIN")
    postgres.execute(f"CREATE DATABASE {of_the_image['POSTGRES_DB']} OWNER {user}")
    start_script = find(release.manifests, "ConfigMap", "-postgres-start")["data"]
    postgres.execute(start_script["create-mlflow.sql"].strip().removesuffix(";"))

    port = release.place("try-hyperadam-redis", 6379)
    script = release.command("redis", "redis")
    data = release.folder / "redis"
    script[-1] = script[-1].replace("port 6379", f"port {port}").replace("/data", str(data))
    release.start("redis", script, release.environment("redis", "redis"))

    port = release.place("try-hyperadam-objects", 9000)
    bucket = read_values("trial")["artifacts"].get("trialBucket", "hyperadam")
    assert f"mkdir -p /data/{bucket} " in release.command("objects", "objects")[-1]
    moto = ["moto_server", "--host", "127.0.0.1", "--port", str(port)]
    release.start("objects", moto, release.environment("objects", "objects"))
    release.wait_for(f"http://127.0.0.1:{port}/moto-api/", "objects")
    open_bucket(release, port).create_bucket(Bucket=bucket)


def open_bucket(release: Release, port: int) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=(release.secrets / "s3-access-key").read_text(),
        aws_secret_access_key=(release.secrets / "s3-secret-key").read_text(),
    )


def start_ray(release: Release) -> None:
    """The head with its state in Redis, and the nodes of the one group."""
    cluster = find(release.manifests, "RayCluster", "-ray")["spec"]
    head_port, agent_port, client_port = find_free_ports(3)
    dashboard_port = release.place("try-hyperadam-ray-head-svc", 8265)
    own = [
        f"--port={head_port}",
        f"--dashboard-port={dashboard_port}",
        f"--dashboard-agent-listen-port={agent_port}",
        f"--ray-client-server-port={client_port}",
        f"--temp-dir={release.folder / 'r'}",
        f"--object-store-memory={STORE_BYTES}",
    ]
    options = make_ray_options(cluster["headGroupSpec"])
    assert "--dashboard-host=0.0.0.0" in options
    options[options.index("--dashboard-host=0.0.0.0")] = "--dashboard-host=127.0.0.1"
    redis = cluster["gcsFaultToleranceOptions"]
    key = redis["redisPassword"]["valueFrom"]["secretKeyRef"]["key"]
    environment = {
        **release.environment("ray-head", "ray-head"),
        "RAY_REDIS_ADDRESS": release.localize(redis["redisAddress"], "ray-head"),
        "RAY_external_storage_namespace": "try",
        "RAY_worker_niceness": "0",
    }
    password = (release.secrets / key).read_text()
    command = ["ray", "start", "--head", f"--redis-password={password}", *options, *own]
    healthy = f"http://127.0.0.1:{dashboard_port}{get_probe(release, 'ray-head')}"
    release.keep("ray-head", command, environment, healthy)

    [group] = cluster["workerGroupSpecs"]
    for number in range(group["replicas"]):
        process = f"ray-worker-{number}"
        [agent_port] = find_free_ports(1)
        own = [
            f"--address=127.0.0.1:{head_port}",
            f"--dashboard-agent-listen-port={agent_port}",
            f"--temp-dir={release.folder / 'r'}",
            f"--object-store-memory={STORE_BYTES}",
        ]
        environment = {
            **release.environment("ray-worker", process),
            "RAY_worker_niceness": "0",
        }
        command = ["ray", "start", *make_ray_options(group), *own]
        healthy = f"http://127.0.0.1:{agent_port}{get_probe(release, 'ray-worker')}"
        release.keep(process, command, environment, healthy)


def get_probe(release: Release, component: str) -> str:
    container = get_container(release.pods[component])
    return str(container["readinessProbe"]["httpGet"]["path"])


def start_services(release: Release) -> None:
    migrate = release.environment("migrate", "migrate")
    release.run("migrate", release.command("migrate", "migrate"), migrate)

    environment = release.environment("reconciler", "reconciler")
    release.start("reconciler", release.command("reconciler", "reconciler"), environment)
    for process in ("api-0", "api-1"):
        port = release.place(process, 8400)
        environment = release.environment("api", process)
        environment |= {"HYPERADAM_HOST": "127.0.0.1", "HYPERADAM_PORT": str(port)}
        release.start(process, release.command("api", process), environment)

    port = release.place("try-hyperadam-mlflow", 5000)
    replacements = {"--host=0.0.0.0": "--host=127.0.0.1", "--port=5000": f"--port={port}"}
    rendered = release.command("mlflow", "mlflow")
    command = [replacements.get(word, word) for word in rendered]
    assert set(replacements.values()) <= set(command)
    release.start("mlflow", command, release.environment("mlflow", "mlflow"))


def find_url(release: Release, service: str, port: int) -> str:
    return "http://" + release.localize(f"{service}:{port}", "test")


def test_a_study_goes_through_the_whole_chart(release: Release) -> None:
    urls = [find_url(release, process, 8400) for process in ("api-0", "api-1")]
    for url, process in zip(urls, ("api-0", "api-1"), strict=True):
        release.wait_for(f"{url}{get_probe(release, 'api')}", process)
        release.wait_for(f"{url}/readyz", process)
    environment = release.environment("api", "api-0")
    create_key = ["hyperadam-server", "keys", "create", "admin", "--scope", "admin"]
    key = release.run("api-0", create_key, environment).strip()

    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(headers=headers, timeout=60, trust_env=False) as client:
        made = client.post(f"{urls[0]}/v1/jobs", json={"kind": "study", "spec": STUDY})
        assert made.status_code == 201, made.text
        job = f"{urls[1]}/v1/jobs/{made.json()['id']}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (answer := client.get(job).json())["state"] not in ENDED:
            assert time.monotonic() < deadline, (answer, client.get(f"{job}/logs").text)
            time.sleep(1)
        assert answer["state"] == "succeeded", (answer, client.get(f"{job}/logs").text)

    port = int(find_url(release, "try-hyperadam-objects", 9000).rpartition(":")[2])
    objects = open_bucket(release, port).list_objects_v2(Bucket="hyperadam")["Contents"]
    names = {item["Key"].rpartition("/")[2] for item in objects}
    assert {"job.json", "ledger.json", "theta.safetensors", "result.json"} <= names
    assert not any(".probe/" in item["Key"] for item in objects)

    mlflow = find_url(release, "try-hyperadam-mlflow", 5000)
    release.wait_for(f"{mlflow}{get_probe(release, 'mlflow')}", "mlflow")
    asked = f"{mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=hyperadam"
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert b"s3://hyperadam/runs" in answer.read()
    assert (release.folder / "redis/appendonlydir").is_dir(), "the head keeps its state in Redis"
