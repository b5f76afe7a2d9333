"""A headless Chromium, driven by the DevTools protocol over two pipes.

There is no driver program and no open port.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.endings import end_all

BINARY: Final = shutil.which("chromium") or shutil.which("google-chrome")

AXE: Final = Path(__file__).with_name("vendor") / "axe.min.js"
"""axe-core 4.11.0 as the npm registry has it, under the Mozilla Public License 2.0."""

_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-pipe",
)
_LAUNCH: Final = """
import fcntl, os, sys
reader, writer = (fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3])
os.dup2(reader, 3)
os.dup2(writer, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads commands from descriptor 3 and writes to 4.

The pipes may have any other numbers before.
"""

_COUNT_FETCHES: Final = """{
    const fetchNow = window.fetch;
    window.pendingFetches = 0;
    window.fetch = (...request) => {
        window.pendingFetches += 1;
        return fetchNow(...request).finally(() => { window.pendingFetches -= 1; });
    };
}"""
_REST: Final = """new Promise((done) => {
    const began = performance.now();
    let changed = began;
    const observer = new MutationObserver(() => { changed = performance.now(); });
    const all = { subtree: true, childList: true, attributes: true, characterData: true };
    observer.observe(document, all);
    const look = () => {
        const now = performance.now();
        const rests = window.pendingFetches === 0 && now - changed > 250;
        if (!rests && now - began < 30000) {
            setTimeout(look, 25);
            return;
        }
        observer.disconnect();
        done(rests);
    };
    look();
})"""
"""Whether the page comes to rest: it waits for no answer, and nothing of it has changed for a
quarter of a second."""


class Chromium:
    """One browser with one page."""

    def __init__(self, folder: Path, *, width: int = 1100, height: int = 800) -> None:
        if BINARY is None:
            raise FileNotFoundError("chromium is not installed")
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        flags = [
            *_FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width},{height}",
            "about:blank",
        ]
        self._log = folder / "chromium.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, str(to_browser), str(from_browser), BINARY, *flags],
                pass_fds=(to_browser, from_browser),
                stdout=log,
                stderr=log,
                env=os.environ | {"HOME": str(folder)},
            )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._count = 0
        self._session = None
        self.complaints: list[str] = []
        """Exceptions and violations of the content policy, as the page's console has them."""

        target = self.call("Target.createTarget", url="about:blank")
        session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = session["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=_COUNT_FETCHES)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of one command of the protocol."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": params}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next_message()
            if message.get("id") == self._count:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; waits when it is a promise."""
        result = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 15) -> Any:
        """The expression's value, as soon as it is true."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.evaluate(expression)
            if value:
                return value
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} stayed {value!r}; the page says: {self.text()}")
            time.sleep(0.05)

    def wait_until_it_rests(self) -> None:
        """Until the page has all that it asked for, and shows it."""
        if not self.evaluate(_REST):
            raise TimeoutError(f"the page changes and changes: {self.text()}")

    def text(self) -> str:
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def click_in_form(self, label: str) -> None:
        """The same, of the page's form alone."""
        self.click(label, within="form.submit ")

    def click_in_dialog(self, label: str) -> None:
        """The same, of the open dialog alone."""
        self.click(label, within="dialog ")

    def click(self, label: str, *, within: str = "") -> None:
        """Press the button or link that has exactly this text."""
        elements = f"[...document.querySelectorAll('{within}button, {within}a')]"
        element = f"{elements}.find((e) => e.textContent.trim() === {json.dumps(label)})"
        self.wait_for(f"Boolean({element})")
        self.evaluate(f"{element}.click()")

    def fill(self, label: str, text: str) -> None:
        """Write into the field, or choose in the list, that has exactly this label."""
        labels = "[...document.querySelectorAll('label')]"
        control = f"{labels}.find((e) => e.textContent.trim() === {json.dumps(label)})?.control"
        self.wait_for(f"Boolean({control})")
        self.evaluate(
            f"((control) => {{ control.value = {json.dumps(text)};"
            "control.dispatchEvent(new Event('input', {bubbles: true}));"
            f"control.dispatchEvent(new Event('change', {{bubbles: true}})); }})({control})"
        )

    def choose_file(self, selector: str, file: Path) -> None:
        """Give a file to the field of files that a selector finds."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(file)], nodeId=node)

    def wait_for_text(self, text: str, seconds: float = 15) -> None:
        """Until the page shows it."""
        self.wait_for(f"document.body?.innerText.includes({json.dumps(text)})", seconds)

    def resize(self, width: int, height: int = 900, *, is_dark: bool = False) -> None:
        """Another window, in light or in dark."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def list_violations(self) -> list[str]:
        """What axe-core objects to on the page: rule and elements."""
        if not self.evaluate("'axe' in window"):
            self.evaluate(f"{AXE.read_text('utf-8')};0")
        tags = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']"
        found = self.evaluate(
            f"axe.run(document, {{runOnly: {tags}}}).then(({{violations}}) => violations.map("
            "({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(' ')}`))"
        )
        return list(found)

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        try:
            end_all({"chromium": self._process}, {"chromium": self._log})
        finally:
            os.close(self._commands)
            os.close(self._answers)

    def _next_message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            if not select.select([self._answers], [], [], 30)[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._answers, 1 << 16)
            if not data:
                raise RuntimeError("the browser ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            if entry["level"] == "error" and entry["source"] != "network":
                self.complaints.append(entry["text"])
