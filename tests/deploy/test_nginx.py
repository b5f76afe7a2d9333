"""deploy/nginx/hyperadam.conf in a real nginx, before a real server: TLS, a path, event streams."""

from __future__ import annotations

import datetime
import logging
import os
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from registry.memory import InMemoryRegistry
from services.container import Container
from services.database.base import Database
from services.database.migrations import upgrade
from services.embedded.ray_holder import find_free_ports
from services.serving import ApiServer, listen
from services.settings import Settings
from tests.endings import end_all

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy/nginx/hyperadam.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
JOB = {"kind": "meta-training", "spec": {"preset": "quick"}}

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")


@dataclass
class Proxied:
    """A service behind nginx."""

    services: Container
    url: str
    client: httpx2.Client


def make_certificate(folder: Path) -> None:
    """A key and a certificate of this machine, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    moment = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(days=1))
        .not_valid_after(moment + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "hyperadam.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "hyperadam.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def write_configuration(folder: Path, port: int, api_port: int) -> Path:
    """Ours, with what is the operator's filled in, inside of a whole configuration."""
    text = CONFIGURATION.read_text("utf-8")
    filled_in = {
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "server 127.0.0.1:8400;": f"server 127.0.0.1:{api_port};",
        "/etc/nginx/tls/": f"{folder}/",
    }
    for ours, of_the_test in filled_in.items():
        assert ours in text
        text = text.replace(ours, of_the_test)
    (folder / "hyperadam.conf").write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"  {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    whole = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    whole.write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/errors;\nevents {{}}\n"
        f"http {{\n  access_log off;\n{temporary}  include {folder}/hyperadam.conf;\n}}\n"
    )
    return whole


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxied")
    database = Database(f"sqlite:///{folder / 'jobs.db'}")
    upgrade(database)
    guide = folder / "guide"
    guide.mkdir()
    (guide / "index.html").write_text("<title>Guide</title>")
    settings = Settings(
        home=folder,
        database_url=str(database.engine.url),
        trusted_proxies="127.0.0.1",
        guide_dir=str(guide),
    )
    services = Container(settings=settings, database=database, registry=InMemoryRegistry())
    key = services.api_keys.create("tester", ["admin"]).key

    listener = listen("127.0.0.1", 0)
    server = ApiServer(services, lambda: None)
    thread = threading.Thread(target=server.run, args=[[listener]])
    thread.start()
    [port] = find_free_ports(1)
    make_certificate(folder)
    configuration = write_configuration(folder, port, listener.getsockname()[1])
    command = [str(NGINX), "-p", str(folder), "-e", str(folder / "errors"), "-c", configuration]
    nginx = subprocess.Popen(command)
    url = f"https://localhost:{port}/hyperadam"
    context = ssl.create_default_context(cafile=str(folder / "hyperadam.crt"))
    headers = {"Authorization": f"Bearer {key}"}
    with httpx2.Client(verify=context, headers=headers, trust_env=False, timeout=20) as client:
        wait_for(client, f"{url}/livez", nginx, folder)
        yield Proxied(services, url, client)
    end_all({"nginx": nginx}, {"nginx": folder / "errors"})
    services.stopping.set()
    server.should_exit = True
    thread.join()
    database.dispose()


def wait_for(client: httpx2.Client, url: str, nginx: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if client.get(url).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        assert nginx.poll() is None, (folder / "errors").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_pages_and_all_that_they_load_are_found(proxied: Proxied) -> None:
    start = proxied.client.get(proxied.url, follow_redirects=True)
    assert str(start.url) == f"{proxied.url}/"
    for page in (f"{proxied.url}/", f"{proxied.url}/docs"):
        answer = proxied.client.get(page)
        assert answer.status_code == 200
        links = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
        assert len(links) > 3
        for link in links:
            assert proxied.client.get(urljoin(page, link)).status_code == 200, link
    document = proxied.client.get(f"{proxied.url}/openapi.json").json()
    assert document["servers"] == [{"url": "/hyperadam"}]


def test_a_session_is_safe_and_works(proxied: Proxied) -> None:
    own = {"X-Requested-With": "hyperadam"}
    opened = proxied.client.put(f"{proxied.url}/v1/session", headers=own)
    cookie = opened.headers["Set-Cookie"]
    assert "Path=/hyperadam/v1;" in cookie
    assert "Secure" in cookie
    bearer = proxied.client.headers.pop("Authorization")
    try:
        assert proxied.client.get(f"{proxied.url}/v1/jobs").status_code == 200
    finally:
        proxied.client.headers["Authorization"] = bearer
        proxied.client.cookies.clear()


def test_events_are_not_held_back(proxied: Proxied) -> None:
    made = proxied.client.post(f"{proxied.url}/v1/jobs", json=JOB)
    place = urljoin(f"{proxied.url}/v1/jobs", made.headers["Location"])
    accept = {"Accept": "text/event-stream"}
    with proxied.client.stream("GET", f"{place}/events", headers=accept) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith(": events of")
        asked = time.monotonic()
        assert proxied.client.post(f"{place}/cancel").status_code == 202
        while "event: job.state" not in next(lines):
            pass
        seconds = time.monotonic() - asked
    # long before the service's own sign of life, which would push out what is held back
    assert seconds < proxied.services.settings.heartbeat_seconds / 2


def test_a_client_is_known_and_cannot_pretend(
    proxied: Proxied, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        pretending = {"X-Forwarded-For": "203.0.113.9"}
        answer = proxied.client.get(f"{proxied.url}/v1/jobs", headers=pretending)
        line = wait_for_line(caplog, answer.headers["X-Request-Id"])
    assert line["path"] == "/v1/jobs"
    assert line["client"] == "127.0.0.1"


def wait_for_line(caplog: pytest.LogCaptureFixture, request_id: str) -> dict[str, Any]:
    """The log's line of a request: it is written beside the answer, by another thread, and so may
    those of requests before it be."""
    deadline = time.monotonic() + 20
    while True:
        messages = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        requests = [message for message in messages if message["event"] == "request"]
        lines = [message for message in requests if message["request_id"] == request_id]
        if lines:
            [line] = lines
            return line
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_figures_are_for_the_inner_side_alone(proxied: Proxied) -> None:
    assert proxied.client.get(f"{proxied.url}/metrics").status_code == 404
    assert proxied.client.get(f"{proxied.url}/readyz").status_code in (200, 503)
