"""A real browser by WebDriver (https://www.w3.org/TR/webdriver2/): Chromium."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
ENTER, TAB, SPACE = "\ue007", "\ue004", " "
PATIENCE = 30.0
NARROWEST = 500  # no window is narrower, so a phone's screen is told to the browser otherwise


@dataclass(frozen=True, slots=True)
class Page:
    """What one browser shows; it is used by keyboard alone."""

    http: httpx.Client
    session: str

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"/session/{self.session}{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]

    def open(self, address: str) -> None:
        self._ask("POST", "/url", {"url": address})

    def back(self) -> None:
        """Goes back in the history."""
        self._ask("POST", "/back", {})

    @property
    def cookies(self) -> list[str]:
        """The names of what this place has set."""
        return [str(each["name"]) for each in self._ask("GET", "/cookie")]

    @property
    def address(self) -> str:
        return str(self._ask("GET", "/url"))

    @property
    def text(self) -> str:
        """The words on the page; none while the next one is on its way."""
        words = "return document.body ? document.body.innerText : ''"
        return str(self._ask("POST", "/execute/sync", {"script": words, "args": []}))

    def all(self, selector: str) -> list[str]:
        found = self._ask("POST", "/elements", {"using": "css selector", "value": selector})
        return [each[ELEMENT] for each in found]

    def attribute(self, element: str, name: str) -> str | None:
        value = self._ask("GET", f"/element/{element}/attribute/{name}")
        return None if value is None else str(value)

    def add_authenticator(self) -> None:
        """Plugs in a security key that somebody touches whenever it is asked.

        https://www.w3.org/TR/webauthn-2/#sctn-automation-add-virtual-authenticator
        """
        key = {"protocol": "ctap2", "transport": "usb", "isUserConsenting": True}
        self._ask("POST", "/webauthn/authenticator", key)

    @property
    def focused(self) -> str:
        return str(self._ask("GET", "/element/active")[ELEMENT])

    def press(self, keys: str) -> None:
        """Types on the keyboard, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self._ask("POST", "/actions", {"actions": [source]})

    def tab_to(self, selector: str, *, most: int = 80) -> None:
        """Presses Tab until what the selector names has the focus."""
        for _ in range(most):
            self.press(TAB)
            if self.focused in self.all(selector):
                return
        raise AssertionError(f"{selector} is not reached by keyboard")

    def wait_for(self, words: str) -> None:
        """Waits until words are on the page, this one or the next."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.text:
            assert time.monotonic() < deadline, f"{words!r} is not in:\n{self.text}"
            time.sleep(0.05)

    def wait_until_at(self, part: str) -> None:
        """Waits for the next page, by a part of its address: it may say what this one says."""
        deadline = time.monotonic() + PATIENCE
        while part not in self.address:
            assert time.monotonic() < deadline, f"{part!r} is not in {self.address}"
            time.sleep(0.05)


@contextmanager
def chromium(*, width: int = 1200, height: int = 900, script: bool = False) -> Iterator[Page]:
    """A browser of its own, with script turned off unless the page is a program."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
    try:
        _await(http)
        options: dict[str, Any] = {
            "args": [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                f"--window-size={width},{height}",
            ],
            "prefs": {"profile.managed_default_content_settings.javascript": 1 if script else 2},
        }
        if width < NARROWEST:
            phone = {"width": width, "height": 844, "pixelRatio": 1, "touch": False}
            options["mobileEmulation"] = {"deviceMetrics": phone}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options}
        made = http.post("/session", json={"capabilities": {"alwaysMatch": wanted}})
        assert made.is_success, made.text
        session = made.json()["value"]["sessionId"]
        try:
            yield Page(http, session)
        finally:
            http.delete(f"/session/{session}")
    finally:
        http.close()
        driver.terminate()
        driver.wait(20)


def _await(http: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if http.get("/status").json()["value"]["ready"]:
                return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "chromedriver does not start"
        time.sleep(0.05)
