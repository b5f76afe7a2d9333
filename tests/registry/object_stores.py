"""Object stores on loopback: S3 as moto serves it, Google Cloud Storage as its emulator does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from gcp_storage_emulator.server import create_server
from moto.server import ThreadedMotoServer

from services.embedded.ray_holder import find_free_ports

BUCKET = "hyperadam-artifacts"


@contextmanager
def serve_s3(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URI of a bucket of S3, which MLflow's driver finds by the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    patch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint)
    patch.setenv("AWS_ACCESS_KEY_ID", "tester")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
    yield f"s3://{BUCKET}/runs"
    server.stop()


@contextmanager
def serve_gcs(patch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URI of a bucket of Google Cloud Storage, likewise."""
    [port] = find_free_ports(1)
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket=BUCKET)
    server.start()
    patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    yield f"gs://{BUCKET}/runs"
    server.stop()
