"""A real server, a real browser. Every page is watched: console errors and foreign requests fail the test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from llm2vec_core.ui.context import AppContext
from tests.running_app import running_app

# Patience, not a measurement: a busy machine may take long.
expect.set_options(timeout=90_000)
LEFT = ("AbortError: signal is aborted", "Connection errored out")
# The address bar's list is itself a page: for each visit one more is loaded, a fifth of what a visit costs.
ADDRESS_BAR = ("WebUIOmniboxPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxAimPopup", "WebUIOmnibox")
# Chromium hears the last list alone, so what Playwright would switch off and a test can notice stands here too.
PLAYWRIGHTS = (
    "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades", "LensOverlay", "MediaRouter",
    "PaintHolding", "ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "OptimizationHints",
    "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch",
)  # fmt: skip
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    f"--disable-features={','.join(ADDRESS_BAR + PLAYWRIGHTS)}",
]  # fmt: skip


@pytest.fixture(scope="session")
def context() -> AppContext:
    """Encoders and embeddings of the bundled texts, made once for all tests. Tests must not change them."""
    return AppContext()


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The page of most tests, with the Hub out of reach."""
    with running_app("server.log", HF_HUB_OFFLINE="1") as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    assert path, "no Chromium was found; `make test` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def is_problem(message: ConsoleMessage) -> bool:
    """Whether the console tells of an error; not of a page that was left while Gradio still waited for an answer."""
    return message.type == "error" and not any(told in message.text for told in LEFT)


@contextmanager
def visits(browser: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """Opens the page as new visitors do; in the end none of them may have met an error or another host."""
    contexts, problems = [], []

    def open_(width: int = 1440, height: int = 900, dark: bool = False, query: str = "") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("console", lambda m: problems.append(f"console: {m.text}") if is_problem(m) else None)
        page.on("pageerror", lambda e: problems.append(f"page error: {e}"))

        def watch(request):
            parts = urlsplit(request.url)
            if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1":
                problems.append(f"request to another host: {request.url}")

        page.on("request", watch)
        page.goto(f"{server}/?__theme={'dark' if dark else 'light'}&{query}")
        page.wait_for_selector("#prefix-badge")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def open_page(browser, server):
    """Open the page as a new visitor: ``open_page(width=390, query="tab=map")``."""
    with visits(browser, server) as open_:
        yield open_


@pytest.fixture
def page(open_page) -> Page:
    return open_page()


@pytest.fixture(scope="module")
def visitor(browser, server) -> Iterator[Page]:
    """One visit for several tests of a file, in their order: a page takes seconds to load, on two cores.

    A test leaves it so that those below it hold, and holds on a new page too.
    """
    with visits(browser, server) as open_:
        yield open_()


def open_tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def fill_field(page: Page, elem_id: str, value: str) -> None:
    """Type into a field that may just have been unfolded: an accordion sets its fields once more after it opens."""
    box = page.locator(f"#{elem_id} input")
    box.fill(value)
    page.wait_for_timeout(300)
    if box.input_value() != value:
        box.fill(value)
