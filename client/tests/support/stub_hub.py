"""A Hub on loopback: the few answers that huggingface_hub asks for, from files in memory."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote


class StubHub:
    """Repositories as lists of commits, each with all of its files."""

    def __init__(self) -> None:
        self.commits: dict[str, list[dict[str, bytes]]] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        """Method, path and the header Authorization of each."""
        self.announced_bytes: int | None = None
        """What it says of sizes, instead of the truth."""

    def add(self, repo_id: str, **files: bytes) -> str:
        """A commit that has these files beside those of before; its hash. `_` in names is a dot."""
        named = {name.replace("_", "."): content for name, content in files.items()}
        return self.commit(repo_id, named)

    def commit(self, repo_id: str, files: dict[str, bytes]) -> str:
        history = self.commits.setdefault(repo_id, [])
        before = history[-1] if history else {}
        history.append(before | files)
        return name_commit(repo_id, len(history) - 1)

    def find(self, repo_id: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit of a revision, and its files."""
        history = self.commits.get(repo_id, [])
        hashes = [name_commit(repo_id, number) for number in range(len(history))]
        if revision == "main" and history:
            return hashes[-1], history[-1]
        if revision in hashes:
            return revision, history[hashes.index(revision)]
        return None


def name_commit(repo_id: str, number: int) -> str:
    return hashlib.sha1(f"{repo_id}@{number}".encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers for one Hub."""

    hub: StubHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.serve_file()

    def do_GET(self) -> None:
        self.serve_file()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.note()
        parts = unquote(self.path).strip("/").split("/")
        if self.path == "/api/repos/create":
            self.create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self.answer(200, {"errors": [], "warnings": []})
        elif parts[4:5] == ["preupload"]:
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.answer(200, {"files": files})
        elif parts[4:5] == ["commit"]:
            self.take_commit("/".join(parts[2:4]), body)
        else:
            self.answer(404, {"error": f"not of this stub: {self.path}"})

    def create(self, wanted: dict[str, Any]) -> None:
        repo_id = "/".join(filter(None, [wanted.get("organization"), wanted["name"]]))
        status = 409 if repo_id in self.hub.commits else 200
        self.hub.commits.setdefault(repo_id, [])
        self.answer(status, {"url": f"{self.address}/{repo_id}", "name": repo_id, "id": repo_id})

    def take_commit(self, repo_id: str, body: bytes) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            for line in lines
            if line["key"] == "file"
        }
        oid = self.hub.commit(repo_id, files)
        url = f"{self.address}/{repo_id}/commit/{oid}"
        self.answer(200, {"commitUrl": url, "commitOid": oid, "success": True})

    def serve_file(self) -> None:
        """`/{owner}/{name}/resolve/{revision}/{file}`."""
        self.note()
        parts = unquote(self.path).strip("/").split("/")
        repo_id = "/".join(parts[:2])
        if repo_id not in self.hub.commits:
            self.refuse("RepoNotFound")
            return
        found = self.hub.find(repo_id, parts[3])
        if found is None:
            self.refuse("RevisionNotFound")
            return
        commit, files = found
        name = "/".join(parts[4:])
        if name not in files:
            self.refuse("EntryNotFound", commit)
            return
        self.send_file(files[name], commit)

    def send_file(self, content: bytes, commit: str) -> None:
        size = self.hub.announced_bytes or len(content)
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def refuse(self, code: str, commit: str = "") -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, status: int, content: dict[str, Any]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def note(self) -> None:
        self.hub.requests.append((self.command, self.path, self.headers.get("Authorization")))

    @property
    def address(self) -> str:
        return f"http://{self.headers['Host']}"

    def log_message(self, *_: object) -> None:
        """Tests read `requests` instead."""


@contextmanager
def serve(hub: StubHub) -> Iterator[str]:
    """The Hub's address, while it answers."""
    handler = type("OneHub", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
