"""The service of a home proves to local commands that it is it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from fastapi.testclient import TestClient
from hyperadam.api import resolve_settings
from hyperadam.api.proof import CHALLENGE_HEADER, PROOF_HEADER, make_proof

from services.container import Container
from services.embedded.home import Home
from services.health.proof import Prover
from tests.services.application import share_application

CHALLENGE = "a1" * 32
URL = "http://127.0.0.1:8400"


def ask(services: Container, challenge: str) -> tuple[int, str | None]:
    with TestClient(share_application(services)) as anonymous:
        answer = anonymous.get("/livez", headers={CHALLENGE_HEADER: challenge})
    return answer.status_code, answer.headers.get(PROOF_HEADER)


def test_the_service_of_a_home_answers_challenges(services: Container) -> None:
    assert ask(services, CHALLENGE) == (200, None)
    of_a_home = replace(services, prover=Prover("secret", URL))
    assert ask(of_a_home, CHALLENGE) == (200, make_proof("secret", CHALLENGE, URL))
    assert ask(of_a_home, "short") == (422, None)


def test_a_home_keeps_one_key_that_clients_find(tmp_path: Path) -> None:
    home = Home(tmp_path)
    key = home.load_proof_key()
    assert home.load_proof_key() == key
    assert (tmp_path / "proof-key").stat().st_mode & 0o777 == 0o600

    home.announce(URL)
    home.keep_key("ha_key")
    assert key not in (tmp_path / "server.json").read_text()
    assert json.loads((tmp_path / "server.json").read_text())["url"] == URL
    settings = resolve_settings(environment={"HYPERADAM_HOME": str(tmp_path)})
    assert (settings.proof_key, settings.api_key) == (key, "ha_key")
