"""What visitors must not be able to do: to the page, to the server, to each other."""

from __future__ import annotations

import io
import json
import tempfile
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED
from llm2vec_core.ui.tabs import TABS
from tests.ui.conftest import open_tab, quiet, until, visitors_own
from tests.ui.tabs.test_see import strips
from tests.ui.tabs.test_train import shorten
from tests.ui.test_form import show

EVIL = (
    "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=2</script><svg onload='window.pwned=3'></svg>"
    "${window.pwned=4} {{window.pwned=5}} </textarea><b id=evil>x</b> =HYPERLINK(1) \u202e"
)


def test_markup_in_any_field_is_text_and_nothing_else(page):
    """Every text field of every tab is filled, every main button pressed, wherever they are."""
    page.on("dialog", lambda dialog: (dialog.dismiss(), pytest.fail(f"a dialog opened: {dialog.message}")))
    filled = 0
    for tab in TABS:
        show(page, tab.id)
        for label in page.locator("#tabs label", has_text="Your texts").locator("visible=true").all():
            label.click()
        quiet(page)
        for field in page.locator("#tabs textarea, #tabs input[type=text]:not([role=listbox])").all():
            if field.is_visible() and field.is_editable() and field.get_attribute("role") != "listbox":
                longest = field.get_attribute("maxlength")
                field.fill(EVIL[: int(longest)] if longest else EVIL, timeout=30_000)
                filled += 1
        for button in page.locator("#tabs button.primary, #tabs [id$=-use]").all():
            if button.is_visible() and button.is_enabled():
                button.click()
        quiet(page)
        for button in page.locator("#tabs [id*=stop]").all():
            if button.is_visible() and button.is_enabled():
                button.click()
        assert page.evaluate("window.pwned") is None, tab.id
        expect(page.locator("#evil, img[src='x'], svg[onload]"), tab.id).to_have_count(0)
    assert filled >= len(TABS)


def test_markup_in_the_columns_and_labels_of_a_file_is_text(page, tmp_path):
    file = tmp_path / "<b id=evil>.csv"
    column, label = "<img src=x onerror=window.pwned=1>", "<svg onload=window.pwned=2>"
    file.write_text(
        f"{column},topic\na river that runs along the old wall of the village,{label}\na bank of grass beside the water,{label}\na boat,nan\n"
    )
    open_tab(page, "Export")
    page.locator("#away-source").get_by_label("Your texts").check()
    page.locator("#away-upload input[type=file]").set_input_files(file)
    expect(page.locator("#away-own")).to_contain_text("3 texts from")
    expect(page.locator("#away-own")).to_contain_text("2 labels")  # one of them: none
    expect(page.locator("#away-text-column input")).to_have_value(column)
    page.locator("#away-label-column input").click()
    expect(page.get_by_role("option").filter(has_text=column)).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("#away-run").click()
    expect(page.locator(".l2v-away-made")).to_have_attribute("data-rows", "3")
    assert page.evaluate("window.pwned") is None
    expect(page.locator("#evil, img[src='x'], svg[onload]")).to_have_count(0)


def test_a_link_cannot_bring_markup_to_life(open_page):
    page = open_page(
        query="tab=away&away_instruction=%3Cimg+src%3Dx+onerror%3Dwindow.pwned%3D1%3E&model=%3Csvg+onload%3Dalert(1)%3E"
    )
    expect(page.locator("#away-command")).to_contain_text("<img src=x")
    expect(page.locator("#link-notice")).to_contain_text("<svg onload=alert(1)>")
    assert page.evaluate("window.pwned") is None


def test_two_visitors_do_not_see_each_others_texts(open_page):
    first, second = open_page(), open_page()
    for page in (first, second):
        open_tab(page, "Export")
        page.locator("#away-source").get_by_label("Your texts").check()
    first.locator("#away-pasted textarea").fill("my own secret\nanother secret")
    first.locator("#away-use").click()
    expect(first.locator("#away-own")).to_contain_text("2 texts from your lines")
    second.locator("#away-run").click()
    expect(second.locator("#away-notice")).to_contain_text("You have not loaded any texts yet")
    expect(second.locator("#away-own")).to_contain_text("No texts of yours are loaded yet")
    second.locator("#away-pasted textarea").fill("mine")
    second.locator("#away-use").click()
    expect(second.locator("#away-own")).to_contain_text("1 text from your lines")
    first.locator("#away-run").click()
    expect(first.locator(".l2v-away-made")).to_have_attribute("data-rows", "2")


def own_lines(word: str) -> list[str]:
    return [f"{word} secret {i} about boats on the river" for i in range(20)]


def starts_training(page: Page, word: str, objective: str, start: str) -> None:
    open_tab(page, "Train")
    page.get_by_text("Expert settings").click()
    page.locator("#objective").get_by_text(objective).click()
    expect(page.locator("#start-stage input")).to_have_value(start)  # the recipe is in the fields
    page.locator("#train-source").get_by_text("Your texts").click()
    page.locator("#train-pasted textarea").fill("\n".join(own_lines(word)))
    page.locator("#train-use").click()
    expect(page.locator("#train-own")).to_contain_text("20 texts from your lines")
    shorten(page, 3)
    page.locator("#train-learning-rate input").fill("0.01")
    page.locator("#train-button").click()


def takes_away(page: Page, folder: Path) -> tuple[np.ndarray, LLM2Vec]:
    """The visitor's own texts under the visitor's own adapter: as the page embeds them, and the adapter as a file."""
    with page.expect_download() as archive:
        page.locator("#train-download").click()
    archive.value.save_as(folder / "adapter.zip")
    zipfile.ZipFile(folder / "adapter.zip").extractall(folder)
    report = json.loads((folder / "my-adapter" / "training.json").read_text())
    beneath = BUNDLED.stage(report["start"]).adapters
    adapter = LLM2Vec.from_pretrained(BUNDLED.base, [*beneath, str(folder / "my-adapter")], bidirectional=True)
    open_tab(page, "Export")
    page.locator("#away-source").get_by_label("Your texts").check()
    expect(page.locator("#away-encoder input")).to_have_value("Your adapter")
    page.locator("#away-kind input").click()
    page.locator("#away-kind").get_by_role("option").filter(has_text="npy").click()
    page.locator("#away-run").click()
    expect(page.locator(".l2v-away-made")).to_have_attribute("data-rows", "20")
    with page.expect_download() as file:
        page.locator("#away-download").click()
    return np.load(file.value.path()), adapter


def test_two_visitors_train_at_once_and_each_has_their_own_adapter_texts_files_and_charts(open_page, tmp_path):
    first, second = open_page(), open_page()
    starts_training(first, "Alpha", "MNTP", "Bidirectional, untrained")
    starts_training(second, "Beta", "SimCSE", "+ MNTP")
    told = {first: "MNTP, 3 steps from Bidirectional, untrained", second: "SimCSE, 3 steps from + MNTP"}
    words = {first: "Alpha", second: "Beta"}
    found = {}
    for page, description in told.items():
        expect(page.locator("#training-status")).to_contain_text("Done. Step 3 of 3", timeout=240_000)
        expect(page.locator("#own-adapter")).to_contain_text(description)
        page.wait_for_function(
            "start => document.querySelector('#loss-plot .l2v-plot').layout.title.text.startsWith(start)",
            arg=description.split(",")[0],
        )
        (folder := tmp_path / words[page]).mkdir()
        found[page] = takes_away(page, folder)
    for page, other in ((first, second), (second, first)):
        vectors, adapter = found[page]
        texts = own_lines(words[page])
        assert np.allclose(vectors, adapter.encode(texts, normalize=True), atol=1e-4)
        assert np.abs(vectors - found[other][1].encode(texts, normalize=True)).max() > 1e-2
        assert f"{words[other]} secret" not in page.content()
        # On the ladder too: a rung of their own, and another one than the other's.
        open_tab(page, "See it")
        page.locator("#compare-button").click()
        expect(page.locator("#see-lesson-card")).to_have_attribute("data-stage", "own")
        expect(page.locator('.l2v-strip[data-stage="own"]')).to_be_visible()
    assert strips(first)["own"] != strips(second)["own"]
    assert strips(first)["mntp"] == strips(second)["mntp"]


def test_a_file_of_200_megabytes_is_refused_and_the_page_goes_on(open_page, tmp_path):
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as file:
        file.truncate(200 * 2**20)
    page = open_page()
    open_tab(page, "Export")
    page.locator("#away-source").get_by_label("Your texts").check()
    page.locator("#away-upload input[type=file]").set_input_files(huge)
    expect(page.locator("#l2v-said")).to_have_text(
        "huge.txt has 200 MB; a file may have at most 10 MB. Nothing was uploaded."
    )
    page.locator("#away-pasted textarea").fill("still here")
    page.locator("#away-use").click()
    expect(page.locator("#away-own")).to_contain_text("1 text from your lines")


def upload(server: str, name: str, content: bytes) -> list[str]:
    """What gradio answers to an upload under any name."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{server}/gradio_api/upload", body, headers), timeout=120
    ) as reply:
        return json.loads(reply.read())


def test_the_server_itself_refuses_a_large_upload(server):
    with pytest.raises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)) as refused:
        upload(server, "large.txt", b"a" * (11 * 2**20))
    assert getattr(refused.value, "code", 413) == 413


@pytest.mark.parametrize("name", ["../../../evil.txt", "..\\..\\evil.txt", "/etc/cron.d/evil.txt", "%2e%2e%2fevil.txt"])
def test_a_name_does_not_lead_out_of_the_folder(server, name):
    (path,) = upload(server, name, b"text")
    found = Path(path)
    assert ".." not in found.parts
    assert found.parent.parent.name == "gradio"
    assert found.name.endswith("evil.txt")


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "app.py", "../../etc/passwd", "assets/MANIFEST.json", "llm2vec_core/ui/app.py", "%2Fetc%2Fpasswd"],
)
def test_files_of_the_server_are_not_served(server, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server}/gradio_api/file={path}", timeout=120)
    assert refused.value.code in (403, 404)


def test_a_request_cannot_name_a_file_of_the_server_as_its_upload(server):
    """A handler is called as the page calls it, with a path that was never uploaded."""
    with urllib.request.urlopen(f"{server}/config", timeout=120) as reply:
        config = json.load(reply)
    target = next(c["id"] for c in config["components"] if c["props"].get("elem_id") == "away-upload")
    call = next(d for d in config["dependencies"] if target in d["inputs"] and len(d["inputs"]) == 2)
    file = {"path": "/etc/passwd", "orig_name": "passwd.txt", "meta": {"_type": "gradio.FileData"}}
    session = uuid.uuid4().hex
    body = {"data": [None, file], "fn_index": call["id"], "session_hash": session, "event_data": None}
    request = urllib.request.Request(
        f"{server}/gradio_api/queue/join", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=120).close()
    told = io.StringIO()
    with urllib.request.urlopen(f"{server}/gradio_api/queue/data?session_hash={session}", timeout=60) as stream:
        for line in stream:
            told.write(line.decode())
            if b"process_completed" in line:
                break
    assert '"success": false' in told.getvalue().replace('":', '": ').replace("  ", " ")
    assert "root:" not in told.getvalue()


@pytest.fixture
def newcomer(browser, server):
    """A page that may be loaded anew: what gradio complains of while it is left is no matter."""
    context = visitors_own(browser)
    page = context.new_page()
    page.goto(server)
    page.wait_for_selector("#prefix-badge")
    yield page
    context.close()


def test_a_file_is_deleted_when_its_visitor_leaves_and_texts_are_not_lost_without_a_word(newcomer, tmp_path):
    page, asked = newcomer, []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    page.wait_for_selector("#prefix-badge")
    assert asked == []  # nothing of the visitor's
    file = tmp_path / f"{uuid.uuid4().hex}.txt"
    file.write_text(f"a river {uuid.uuid4().hex}\na bank\n")
    open_tab(page, "Search")
    page.locator("#search-source").get_by_label("Your texts").check()
    page.locator("#search-upload input[type=file]").set_input_files(file)
    expect(page.locator("#search-own")).to_contain_text("2 texts from")
    (stored,) = Path(tempfile.gettempdir(), "gradio").rglob(file.name)
    page.reload()
    page.wait_for_selector("#prefix-badge")
    assert asked == ["beforeunload"]
    until(page, stored.exists, False)


def test_pasted_lines_are_kept_in_the_browser_by_those_who_want_it(newcomer):
    page = newcomer
    open_tab(page, "Search")
    page.locator("#search-source").get_by_label("Your texts").check()
    page.locator("#search-pasted textarea").fill("a river\na <b>bank</b>")
    page.locator("#search-remember input").check()
    page.wait_for_function("localStorage.getItem('l2v-lines') !== null")
    page.reload()
    open_tab(page, "Map")
    page.locator("#map-source").get_by_label("Your texts").check()
    expect(page.locator("#map-pasted textarea")).to_have_value("a river\na <b>bank</b>")
    page.locator("#map-remember input").uncheck()
    page.wait_for_function("localStorage.getItem('l2v-lines') === null")
    page.reload()
    open_tab(page, "Map")
    page.locator("#map-source").get_by_label("Your texts").check()
    quiet(page)
    expect(page.locator("#map-pasted textarea")).to_have_value("")
