"""`/guide`: pages of a folder, by addresses that lead into it and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from services.app import create_app
from services.container import Container
from services.guide.endpoints import FOLDER, load_files


@pytest.fixture
def client(services: Container, tmp_path: Path) -> TestClient:
    (tmp_path / "start/train").mkdir(parents=True)
    (tmp_path / "index.html").write_text("<h1>home</h1>")
    (tmp_path / "start/train/index.html").write_text("<h1>train</h1>")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/site.js").write_text("0")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    settings = services.settings.model_copy(update={"guide_dir": str(tmp_path)})
    object.__setattr__(services, "settings", settings)
    return TestClient(create_app(services), follow_redirects=False)


def test_pages_are_found_by_their_folders(client: TestClient) -> None:
    assert client.get("/guide").headers["location"] == "guide/"
    assert client.get("/guide/").text == "<h1>home</h1>"
    assert client.get("/guide/start/train").headers["location"] == "train/"
    answer = client.get("/guide/start/train/")
    assert answer.text == "<h1>train</h1>"
    assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_files_have_their_types_and_tags(client: TestClient) -> None:
    assert client.get("/guide/assets/site.js").headers["content-type"].startswith("text/javascript")
    first = client.get("/guide/picture.png")
    assert first.headers["content-type"] == "image/png"
    again = client.get("/guide/picture.png", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_an_installation_without_the_guide_says_so_on_a_page(
    services: Container, tmp_path: Path
) -> None:
    """The dashboard's link leads here, also where nobody has run `make docs`."""
    settings = services.settings.model_copy(update={"guide_dir": str(tmp_path)})
    object.__setattr__(services, "settings", settings)
    client = TestClient(create_app(services))
    answer = client.get("/guide", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.url.path) == (404, "/guide/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "The guide is not in this installation" in answer.text
    assert 'href="../"' in answer.text


@pytest.mark.parametrize("path", ["/guide/gone/", "/guide/..%2fapp.py", "/guide/start/"])
def test_anything_else_is_no_page(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "no such page" in answer.json()["detail"]


def test_an_installation_without_it_says_where_it_comes_from(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="make docs"):
        load_files(tmp_path)
    assert FOLDER.name == "site"
