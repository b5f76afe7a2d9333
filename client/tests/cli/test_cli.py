"""The command itself, without a server: help, usage, errors, and what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hyperadam.cli import app
from typer.testing import CliRunner

pytestmark = pytest.mark.slow

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def _no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERADAM_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("HYPERADAM_URL", raising=False)
    monkeypatch.delenv("HYPERADAM_API_KEY", raising=False)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, as a process."""
    program = Path(sys.executable).with_name("hyperadam")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_help_names_every_command_and_every_exit_code() -> None:
    result = command("--help")
    assert result.returncode == 0
    for word in (
        "jobs",
        "pull",
        "push",
        "versions",
        "evaluate",
        "alias",
        "HYPERADAM_URL",
        "HYPERADAM_API_KEY",
        "Exit codes",
    ):
        assert word in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    "name", ["submit", "list", "show", "follow", "cancel", "pause", "resume", "logs"]
)
def test_every_job_command_has_help_and_json(name: str) -> None:
    result = run(app, ["jobs", name, "--help"])
    assert result.exit_code == 0
    assert "--json" in result.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from hyperadam.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "heavy = ('torch', 'numpy', 'httpx2', 'safetensors')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    for words in (["--help"], ["jobs", "submit", "--help"], ["--version"]):
        process = subprocess.run(
            [sys.executable, "-c", code, *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert process.stdout.splitlines()[-1] == "[]"


def test_talking_to_a_server_does_not_need_torch() -> None:
    code = (
        "import sys; from hyperadam.cli import app\n"
        "try: app(['--url', 'http://127.0.0.1:9', 'jobs', 'list'])\n"
        "except SystemExit as stop:\n"
        "    print(stop.code, 'httpx2' in sys.modules, 'torch' in sys.modules)"
    )
    environment = {"HYPERADAM_API_KEY": "key", "PATH": ""}
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment,
    )
    assert process.stdout.split() == ["3", "True", "False"]


def test_no_server_is_one_clear_line() -> None:
    failed = command("jobs", "list")
    assert failed.returncode == 3
    assert failed.stdout == ""
    assert failed.stderr.startswith("error: no server to talk to: set HYPERADAM_URL")
    assert len(failed.stderr.splitlines()) == 1


def test_a_server_that_does_not_answer_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERADAM_API_KEY", "key")
    failed = run(app, ["--url", "http://127.0.0.1:9", "versions"])
    assert failed.exit_code == 3
    assert failed.stderr.startswith("error: cannot reach http://127.0.0.1:9: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["jobs", "submit", "--set", "seed"], "--set takes path=value"),
        (["jobs", "submit", "--set", "a..b=1"], "--set takes path=value"),
        (["jobs", "submit", "--set", "a=1", "--set", "a.b=1"], "a is not an object"),
        (["jobs", "submit", "--label", "x", "--preset", "quick"], "--label takes name=value"),
        (["jobs", "submit", "--file", "missing.json"], "missing.json"),
        (["jobs", "show"], "JOB"),
        (["pull", "Not A Name"], "name must be"),
        (["pull"], "NAME@REF"),
        (["push"], "NAME"),
        (
            ["push", "no-such"],
            "no FILE is given, and no pretrained Θ is named 'no-such'; there are: ",
        ),
        (["push", "tiny", "missing.safetensors"], "missing.safetensors"),
        (["push", "tiny", __file__], "test_cli.py: "),
        (["evaluate", "hyperadam@1", "--starts", "1"], "--starts"),
        (["evaluate", "hyperadam@1", "--no-follow", "-o", "x"], "--output"),
        (["study", "no-such"], "no-such"),
    ],
)
def test_usage_errors(arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERADAM_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HYPERADAM_API_KEY", "key")
    failed = run(app, arguments)
    assert failed.exit_code == 2
    assert message in failed.stderr
    assert failed.stdout == ""


@pytest.mark.parametrize("text", ["{broken", "[1]", '{"seed": NaN}'])
def test_a_spec_file_is_a_json_object(tmp_path: Path, text: str) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text)
    failed = run(app, ["jobs", "submit", "--file", str(file)])
    assert failed.exit_code == 2
    assert "spec.json" in failed.stderr


def test_version() -> None:
    from hyperadam import __version__

    assert run(app, ["--version"]).stdout == f"hyperadam {__version__}\n"


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    from hyperadam.cli.common import print_json

    print_json({"name": "Θ [bold]", "n": [1, None]})
    assert json.loads(capsys.readouterr().out) == {"name": "Θ [bold]", "n": [1, None]}


@pytest.mark.parametrize("name", ["archive", "restore", "delete"])
def test_a_version_is_put_away_by_its_number_alone(name: str) -> None:
    result = command("version", name, "hyperadam@champion")
    assert result.returncode != 0
    assert "name the version by its number" in result.stderr
