"""The dashboard in a real browser, on the real service: sign-in, scopes, texts that are only texts,
access for everybody, all widths, many jobs."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, update

from registry.memory import InMemoryRegistry
from services.container import Container
from services.database.base import now
from services.jobs.tables import Event, Job
from tests.registry.thetas import make_theta
from tests.services.dashboard.chromium import BINARY, Chromium
from tests.services.dashboard.conftest import go, sign_in
from tests.services.projects.conftest import make_team

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="Chromium is not installed"),
    pytest.mark.timeout(600),
]

N_JOBS = 10_000
LAG_SECONDS = 1.0
MARKUP = "<b onclick=alert(1)>bold</b>"
CURVES = {
    "suite": "table1",
    "title": "Table 1",
    "measure": "final loss",
    "quick": True,
    "dataset": "mnist5k",
    "horizon": 100,
    "n_starts": 2,
    "n_tuning_starts": 1,
    "seed": 1,
    "curve_steps": list(range(0, 100, 5)),
    "rows": [
        {
            "task": "relu",
            "optimizer": name,
            "kind": kind,
            "mean": mean,
            "stderr": 0.01,
            "rate": 0.001,
            "n_diverged": 0,
            "n_starts": 2,
            "best": kind == "learned",
            "difference": None,
        }
        for name, kind, mean in (("hyper@1", "learned", 0.3), ("adam", "baseline", 0.4))
    ],
    "curves": {
        "relu": {
            "hyper@1": {"mean": [2.3 / (1 + k) for k in range(20)], "stderr": [0.01] * 20},
            "adam": {"mean": [2.3 / (1 + k / 2) for k in range(20)], "stderr": [0.01] * 20},
        }
    },
}
STUDY = {
    "objective": "the lowest validation loss",
    "searcher": "random",
    "scheduler": "none",
    "space": ["meta_optimizer.rate", "unroll.period"],
    "n_seeds": 1,
    "wall_seconds": 12.0,
    "best_trial": 1,
    "version": None,
    "leaderboard": [1, 0],
    "trials": [
        {
            "number": n,
            "point": n,
            "seed": 0,
            "values": {"meta_optimizer.rate": 0.001 * (n + 1), "unroll.period": 10 * (n + 1)},
            "n_updates": 10,
            "updates": 10,
            "state": "completed",
            "objective": 0.5 - 0.1 * n,
            "seconds": 3.0,
            "run_id": "r",
            "node": None,
            "error": None,
            "curve": [
                {"update": u, "validation_loss": 1 / u, "best_validation_loss": 1 / u}
                for u in (1, 5, 10)
            ],
        }
        for n in (0, 1)
    ],
    "points": [],
    "importance": {
        "method": "fANOVA",
        "shares": {"meta_optimizer.rate": 0.7, "unroll.period": 0.3},
    },
    "savings": {"n_stopped": 0, "updates": 0, "worker_hours": 0, "spent_worker_hours": 0},
}


@pytest.fixture
def jobs(services: Container, registry: InMemoryRegistry) -> dict[str, str]:
    """One job of each kind with its result, and a family of versions; kind → id."""
    parent = registry.create_version("hyper", make_theta(1), key="k1")
    registry.create_version("hyper", make_theta(2), key="k2")
    registry.annotate("hyper", 1, description=MARKUP, tags={"env": MARKUP})
    registry.set_alias("hyper", "champion", 1, actor="alice", reason=MARKUP, protected=True)
    assert parent.number == 1
    results = {"meta-training": {}, "evaluation": CURVES, "study": STUDY}
    space = {
        "meta_optimizer.rate": {"kind": "log-uniform", "low": 1e-4, "high": 1e-2},
        "unroll.period": {"kind": "int", "low": 10, "high": 20},
    }
    specs = {
        "meta-training": {"unroll": {"horizon": 20, "period": 10}},
        "evaluation": {"optimizers": ["hyper@1"]},
        "study": {"space": space, "limits": {"trials": 2, "parallel_trials": 1}},
    }
    ids = {}
    for kind, result in results.items():
        ids[kind] = f"job_{kind}"
        run_id = registry.open_run(ids[kind], name=kind)
        registry.put_artifact(run_id, "result/result.json", json.dumps(result).encode())
        with services.database.write() as session:
            session.execute(
                insert(Job).values(
                    make_row(ids[kind], kind, specs[kind]) | {"run_id": run_id, "progress": 1.0}
                )
            )
    return ids


def make_row(job_id: str, kind: str, spec: dict[str, object]) -> dict[str, object]:
    return {
        "id": job_id,
        "kind": kind,
        "name": f"{kind} {MARKUP}",
        "labels": {"team": "a"},
        "spec": spec,
        "state": "succeeded",
        "actor": "alice",
        "created_at": now(),
        "started_at": now(),
        "ended_at": now(),
    }


def tell(services: Container, job_id: str, events: list[tuple[str, dict[str, object]]]) -> None:
    """Events of a job, as the reconciler would write them."""
    with services.database.write() as session:
        job = session.scalars(select(Job).where(Job.id == job_id)).one()
        for number, (kind, data) in enumerate(events, start=job.last_event_id + 1):
            session.add(
                Event(job_id=job.id, id=number, type=kind, time=now(), attempt=1, data=data)
            )
        n_events = job.last_event_id + len(events)
        session.execute(update(Job).where(Job.id == job_id).values(last_event_id=n_events))


def test_a_session_is_shared_by_tabs_and_ends(
    browser: Chromium, url: str, services: Container
) -> None:
    sign_in(browser, url, "ha_wrong")
    browser.wait_for("document.querySelector('[role=alert]')?.textContent.includes('not known')")
    new = services.api_keys.create("visitor", ["read"])
    sign_in(browser, url, new.key)
    browser.wait_for_text("No job here")
    kept = "sessionStorage.length + localStorage.length + document.cookie.length"
    assert browser.evaluate(kept) == 0

    browser.open(f"{url}?another=tab")
    browser.wait_for_text("visitor (read)")
    services.api_keys.revoke(new.record.id)
    browser.wait_for("Boolean(document.getElementById('key'))")
    sign_in(browser, url, services.api_keys.create("visitor", ["admin"]).key)
    browser.wait_for_text("visitor (admin)")
    browser.click("Sign out")
    browser.wait_for("Boolean(document.getElementById('key'))")
    browser.open(f"{url}?again")
    browser.wait_for("Boolean(document.getElementById('key'))")
    assert browser.complaints == []


def test_scopes_decide_what_is_offered(
    browser: Chromium, url: str, services: Container, jobs: dict[str, str]
) -> None:
    offered = {
        "read": set(),
        "submit": {"Evaluate", "Train on from it", "Describe"},
        "admin": {"Evaluate", "Train on from it", "Describe", "Promote", "Archive"},
    }
    for scope, buttons in offered.items():
        sign_in(browser, f"{url}?{scope}", services.api_keys.create(scope, [scope]).key)
        browser.wait_for_text(f"{scope} ({scope})")
        go(browser, "#/optimizers/hyper/versions/1", "hyper@1")
        shown = browser.evaluate(
            "[...document.querySelectorAll('.head button')].map((e) => e.textContent)"
        )
        assert set(shown) - {"Model card"} == buttons
        browser.click("Sign out")
        browser.wait_for("Boolean(document.getElementById('key'))")


def test_a_project_is_looked_at_alone(
    browser: Chromium, url: str, services: Container, client: TestClient
) -> None:
    """Whoever sees several chooses; whoever comes next in the same window has no choice of
    theirs."""
    ids = {}
    for project in ("red", "blue"):
        ids[project] = make_team(client, services, project).submit().json()["id"]
    sign_in(browser, url, services.api_keys.create("visitor", ["admin"]).key)
    browser.wait_for_text("secret of red")
    assert "secret of blue" in browser.text()
    options = "[...document.querySelectorAll('#project option')].map((e) => e.textContent)"
    assert browser.evaluate(options) == ["all", "blue", "default", "red"]
    browser.fill("Project allbluedefaultred", "red")
    browser.wait_for("!document.querySelector('main').innerText.includes('secret of blue')")
    browser.wait_for_text("secret of red")
    browser.evaluate(f"location.hash = '#/jobs/{ids['blue']}'")
    browser.wait_for_text(f"There is no job '{ids['blue']}'")
    browser.fill("Project allbluedefaultred", "blue")
    browser.wait_for("document.querySelector('h1')?.textContent === 'secret of blue'")
    browser.click("Sign out")
    browser.wait_for("Boolean(document.getElementById('key'))")
    own = services.api_keys.create("guest", ["read"], project="red").key
    sign_in(browser, f"{url}?guest#/jobs", own)
    browser.wait_for_text("secret of red")
    assert "secret of blue" not in browser.text()
    assert browser.evaluate("document.getElementById('project').offsetParent === null")
    links = "[...document.querySelectorAll('nav a')].map((e) => e.href)"
    assert f"{url}guide/" in browser.evaluate(links)
    assert browser.complaints == []


PAGES = {
    "#/jobs": "Jobs",
    "#/evaluations": "Evaluations",
    "#/studies": "Studies",
    "#/submit": "Submit a job",
    "#/submit?kind=study": "Submit a job",
    "#/jobs/job_meta-training": f"meta-training {MARKUP}",
    "#/jobs/job_evaluation": f"evaluation {MARKUP}",
    "#/jobs/job_study": f"study {MARKUP}",
    "#/datasets": "Datasets",
    "#/optimizers": "Optimizers",
    "#/optimizers/hyper": "hyper",
    "#/optimizers/hyper/versions/1": "hyper@1",
    "#/optimizers/hyper/versions/1?to=hyper%402": "hyper@1",
    "#/system": "System",
}


STRAY_WORDS = """(() => {
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const { nodeValue, parentElement } = walker.currentNode;
        const isStray = /^(null|undefined|false|NaN)$|\\[object/.test(nodeValue.trim());
        if (isStray && !parentElement.closest("pre, textarea")) found.push(nodeValue);
    }
    return found;
})()"""
"""Texts of the page that are a program's words for nothing."""


def test_everybody_can_use_every_page_at_every_width(
    browser: Chromium, url: str, services: Container, jobs: dict[str, str]
) -> None:
    """axe-core objects to nothing, nothing is cut off, and nothing of the API becomes markup."""
    curve = [
        ("progress", {"update": n, "n_updates": 8, "meta_loss": 2.0 - n / 10, "n_workers": 1})
        for n in range(1, 9)
    ]
    tell(services, jobs["meta-training"], [*curve, ("job.ended", {"state": "succeeded"})])
    sign_in(browser, url, services.api_keys.create("visitor", ["admin"]).key)
    browser.wait_for_text("visitor (admin)")
    for number, (address, heading) in enumerate(PAGES.items()):
        browser.resize(1280, is_dark=number % 2 == 1)
        go(browser, address, heading)
        open_everything(browser)
        assert browser.list_violations() == [], address
        browser.resize(1280, is_dark=number % 2 == 0)
        time.sleep(0.2)
        assert browser.list_violations() == [], address
        for width in (390, 768, 1280, 2560):
            browser.resize(width)
            overflow = "document.documentElement.scrollWidth - innerWidth"
            assert browser.evaluate(overflow) <= 0, (address, width)
        assert browser.evaluate("document.querySelectorAll('main b').length") == 0
        assert browser.evaluate(STRAY_WORDS) == [], address
    assert browser.complaints == []


def open_everything(browser: Chromium) -> None:
    """Every folded part, and those that appear in them."""
    browser.wait_until_it_rests()
    for _ in range(2):
        browser.evaluate(
            "document.querySelectorAll('main details').forEach((e) => { e.open = true; })"
        )
        browser.wait_until_it_rests()


IDEAS = {
    "paths": {
        "makePatch({a: 1, b: {c: 2, d: 3}}, {b: {c: 2, d: 4}, e: 0})": {
            "a": None,
            "b": {"d": 4},
            "e": 0,
        },
        "overlay({k: {kind: 'x', a: 1}, l: [1]}, {k: {kind: 'y'}})": {"k": {"kind": "y"}, "l": [1]},
        "overlay({k: {kind: 'x', a: 1}}, {k: {a: 2}})": {"k": {"kind": "x", "a": 2}},
    },
    "format": {
        r"withoutEscapes('\x1b[31mred\x1b[0m\x07 \x1b]0;title\x07end')": "red end",
        "number(1.23456789e-7)": "1.23e-7",
        "number(null)": "–",
        "duration(4000)": "1.1 h",
    },
    "download": {"toCsv([['a', 1], ['b,\"c\"', null]])": 'a,1\n"b,""c""",\n'},
}
"""Module → expression → its value."""


def test_small_ideas(browser: Chromium, url: str) -> None:
    browser.open(url)
    browser.wait_for("Boolean(document.getElementById('key'))", 60)
    for module, expressions in IDEAS.items():
        for expression, value in expressions.items():
            name = expression.partition("(")[0]
            use = f"then(({{ {name} }}) => {expression})"
            assert browser.evaluate(f"import('/dashboard/lib/{module}.js').{use}") == value


def test_ten_thousand_jobs_without_lag(browser: Chromium, url: str, services: Container) -> None:
    rows = []
    for n in range(N_JOBS):
        row = make_row(f"job_{n:05d}", "evaluation", {"optimizers": ["hyper@1"]})
        rows.append(
            row | {"name": f"number {n}", "created_at": now() - timedelta(seconds=N_JOBS - n)}
        )
    with services.database.write() as session:
        session.execute(insert(Job), rows)
    sign_in(browser, url, services.api_keys.create("visitor", ["read"]).key)
    browser.wait_for_text(f"number {N_JOBS - 1}")

    frames = "new Promise((done) => { let last = performance.now(); let worst = 0;"
    frames += "const tick = (now) => { worst = Math.max(worst, now - last); last = now;"
    frames += "now - began > 4000 ? done(worst) : requestAnimationFrame(tick); };"
    frames += "const began = last; requestAnimationFrame(tick); })"
    assert browser.evaluate(frames) < 1000 * LAG_SECONDS

    began = time.monotonic()
    browser.click("Older")
    browser.wait_for_text(f"number {N_JOBS - 101}")
    browser.fill("Name contains", "number 4321")
    browser.wait_for("document.querySelectorAll('tbody tr').length === 1")
    assert time.monotonic() - began < 10 * LAG_SECONDS
    assert "name=number" in browser.evaluate("location.hash")


def test_the_reference_lists_calls_and_models(browser: Chromium, url: str) -> None:
    browser.open(f"{url}docs")
    browser.wait_for("document.querySelectorAll('.opblock').length > 25")
    assert "/v1/optimizers/{name}/versions/{ref}/compare" in browser.text().replace("\u200b", "")
    assert browser.complaints == []
