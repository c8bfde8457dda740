"""A real server, a real browser. Every page is watched: console errors and foreign requests fail the test."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from llm2vec_core.ui.context import AppContext
from tests.running_app import running_app

# Milliseconds. Patience, not a measurement: a busy machine may take long.
PATIENCE = 120_000
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


# What the page has asked of its server and not yet been answered. A question that goes through gradio's queue is answered
# by a message of the visit's stream, which may stay open.
ASKED = """(() => {
  const real = window.fetch, counted = /\\/gradio_api\\/(queue\\/join|run|upload|component_server)\\b/, over = new Set();
  const END = /^data: \\{"msg": ?"process_completed", ?"event_id": ?"(\\w+)"/;
  window.asked = new Set();
  // Before gradio hears it: it leaves the stream with the last message, and what a copy had not yet read would be lost.
  const heard = answer => {
    const decoder = new TextDecoder();
    let rest = '';
    const notes = new TransformStream({transform(chunk, onward) {
      const messages = (rest + decoder.decode(chunk, {stream: true})).split('\\n\\n');
      rest = messages.pop();
      for (const [, id] of messages.map(each => each.match(END)).filter(Boolean)) {
        over.add(id);
        asked.delete(id);
      }
      onward.enqueue(chunk);
    }});
    return new Response(answer.body.pipeThrough(notes), answer);
  };
  window.fetch = async (...given) => {
    const address = given[0].url || String(given[0]), question = {};
    if (counted.test(address)) asked.add(question);
    try {
      const answer = await real(...given);
      if (address.includes('/queue/data')) return heard(answer);
      if (asked.has(question)) {
        const told = await answer.clone().text();
        const id = address.includes('/queue/join') && answer.ok && JSON.parse(told).event_id;
        if (id && !over.has(id)) asked.add(id);
      }
      return answer;
    } finally {
      asked.delete(question);
    }
  };
})();"""
# An answer may set off the next question, and what it brought is drawn a frame later.
FRAMES = 5


@pytest.fixture(autouse=True)
def few_loads(bundled_models_load_once):
    """For the code that the page shows, above all."""


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


def visitors_own(browser: Browser, width: int = 1440, height: int = 900) -> BrowserContext:
    """A visitor's own browser, as far as the server can tell."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(ASKED)
    return context


@contextmanager
def visits(browser: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """Opens the page as new visitors do; in the end none of them may have met an error or another host."""
    contexts, problems = [], []

    def open_(width: int = 1440, height: int = 900, dark: bool = False, query: str = "") -> Page:
        context = visitors_own(browser, width, height)
        contexts.append(context)
        page = context.new_page()
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
    """Open a tab and wait until it is drawn: gradio sets the fields of what has just been drawn a frame later once more."""
    tab = page.get_by_role("tab", name=name, exact=True)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")
    page.evaluate("window.calm = 0")
    page.wait_for_function(
        f"""() => {{
          const panel = [...document.querySelectorAll('#tabs [role=tabpanel]')].find(each => each.checkVisibility());
          const size = panel ? panel.querySelectorAll('*').length : 0;
          window.calm = size && size === window.drawn ? window.calm + 1 : 0;
          window.drawn = size;
          return window.calm > {FRAMES};
        }}"""
    )


def choose(page: Page, elem_id: str, option: str, exact: bool = True) -> None:
    """Choose from a dropdown by its own list: another one's may still be closing."""
    field = page.locator(f"#{elem_id}")
    field.locator("input").click()
    field.get_by_role("option", name=option, exact=exact).click()


def quiet(page: Page) -> None:
    """Wait until the page has been told all that it asked of its server, and has shown it.

    What must not have changed is looked at then: before, it could not have changed.
    """
    page.evaluate("window.calm = 0")
    page.wait_for_function(f"(window.calm = window.asked.size ? 0 : window.calm + 1) > {FRAMES}", timeout=2 * PATIENCE)


def copied_link(page: Page) -> str:
    """Press "Copy link"; the address that the page has then."""
    page.evaluate("document.getElementById('l2v-said')?.remove()")  # what an earlier press said
    page.locator("#copy-link").click()
    expect(page.locator("#l2v-said")).to_be_visible()
    return page.evaluate("location.href")


def until(page: Page, read: Callable[[], Any], expected: Any) -> None:
    """Read until it is what is expected (also ``pytest.approx``), for what ``expect`` has no words for."""
    deadline = time.monotonic() + PATIENCE / 1000
    while (found := read()) != expected and time.monotonic() < deadline:
        page.evaluate("() => new Promise(requestAnimationFrame)")
    assert found == expected


def fill_field(page: Page, elem_id: str, value: str) -> None:
    """Type into a field that may just have been unfolded, which is set a frame later once more."""
    box = page.locator(f"#{elem_id} input")
    box.wait_for()
    quiet(page)
    box.fill(value)
    quiet(page)
    expect(box).to_have_value(value)
