"""Three libraries that people have, unmodified: they discover, somebody signs in, they search.

The programs are those that docs/clients.md shows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from tests.support.documents import ROOT
from tests.support.machine import has, need, program
from tests.support.ports import free_port
from tests.support.serving import rapport
from tests.support.webdriver import ENTER, Page, chromium

EXAMPLES = ROOT / "examples" / "clients"
SCOPE = "openid fhirUser launch/patient patient/*.rs"


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """The example programs, with the libraries of their lock beside them."""
    npm = program("npm")
    need(npm is not None and has("node"), reason="needs node and npm")
    place = tmp_path_factory.mktemp("clients") / "clients"
    shutil.copytree(EXAMPLES, place, ignore=shutil.ignore_patterns("node_modules"))
    installed = subprocess.run(
        [str(npm), "ci", "--prefer-offline", "--no-audit", "--no-fund"],
        cwd=place, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    need(installed.returncode == 0, reason=f"npm ci failed: {installed.stderr[-300:]}")
    return place


@pytest.fixture
def registered(demo) -> tuple[str, str]:
    """A public client of the clinic: its id and its redirect address."""
    redirect_uri = f"http://127.0.0.1:{free_port()}/callback"
    client_id = f"library-{redirect_uri.rsplit(':', 1)[1].partition('/')[0]}"
    rapport(
        "client", "register", "--tenant", "demo", "--name", "A library", "--kind", "public",
        "--client-id", client_id, "--scope", SCOPE, "--redirect-uri", redirect_uri,
        env=demo.environment,
    )  # fmt: skip
    return client_id, redirect_uri


@pytest.fixture(scope="module")
def own_episodes(demo, credentials) -> set[str]:
    """What client 1 must find: by the record system's token, not by a library."""
    path = demo.data_dir / "demo" / "credentials.json"
    asked = [sys.executable, "examples/access_token.py", str(path), "ehr"]
    token = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    patient = credentials["users"]["client_1"]["fhirUser"]
    found = httpx.get(
        f"{demo.base_url}/fhir/EpisodeOfCare",
        params={"patient": patient},
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    assert found["entry"]
    return {f"EpisodeOfCare/{entry['resource']['id']}" for entry in found["entry"]}


@contextmanager
def running(*words: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(words, cwd=cwd, text=True, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def allow(page: Page, user) -> None:
    """The person's part: signs in and lets the client have what it asks."""
    page.wait_for("Username")
    page.press(user["username"])
    page.tab_to("input[name=password]")
    page.press(user["password"] + ENTER)
    page.wait_for("A library")
    page.tab_to("button[value=allow]")
    page.press(ENTER)


def printed_after_signing_in(demo, user, *words: str, cwd: Path) -> set[str]:
    with running(*words, cwd=cwd) as program, chromium() as page:
        address = program.stdout.readline().strip()
        assert address.startswith(f"{demo.base_url}/oauth/authorize?"), address
        page.open(address)
        allow(page, user)
        page.wait_for("You may close this page")
        printed, _ = program.communicate(timeout=60)
        assert program.returncode == 0
        return set(printed.split())


def test_fhirpy(demo, credentials, registered, own_episodes):
    words = sys.executable, str(EXAMPLES / "with_fhirpy.py"), f"{demo.base_url}/fhir", *registered
    user = credentials["users"]["client_1"]
    assert printed_after_signing_in(demo, user, *words, cwd=ROOT) == own_episodes


def test_fhir_kit_client(demo, credentials, registered, own_episodes, programs):
    words = str(program("node")), "with-fhir-kit-client.mjs", f"{demo.base_url}/fhir", *registered
    user = credentials["users"]["client_1"]
    assert printed_after_signing_in(demo, user, *words, cwd=programs) == own_episodes


def test_fhirclient_in_the_browser(demo, credentials, registered, own_episodes, programs):
    client_id, redirect_uri = registered
    launch = urlencode({"iss": f"{demo.base_url}/fhir", "client_id": client_id})
    with (
        running(sys.executable, "serve_page.py", redirect_uri, cwd=programs) as served,
        chromium(script=True) as page,
    ):
        assert served.stdout.readline().strip() == redirect_uri
        page.open(f"{redirect_uri}?{launch}")
        allow(page, credentials["users"]["client_1"])
        page.wait_for("done")
        assert set(page.text.split()) == own_episodes | {"done"}
