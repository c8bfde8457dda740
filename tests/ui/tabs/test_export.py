"""What a visitor takes along."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow.parquet as pq
from playwright.sync_api import Page, expect

from llm2vec_core.bundled_data import passages
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.presets import BUNDLED
from tests.ui.conftest import copied_link, open_tab, quiet

LAST = BUNDLED.default.key


def away(page: Page) -> None:
    open_tab(page, "Export")
    expect(page.locator("#away-command pre")).to_contain_text("python -m llm2vec_core encode")


def downloaded(page: Page, selector: str) -> tuple[str, bytes]:
    with page.expect_download() as waiting:
        page.locator(selector).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def choose(page: Page, selector: str, option: str) -> None:
    page.locator(f"{selector} input").click()
    page.locator(selector).get_by_role("option").filter(has_text=option).first.click()


def test_our_collection_as_parquet(visitor):
    away(visitor)
    expect(visitor.locator("#away-download")).to_be_disabled()
    visitor.locator("#away-run").click()
    made = visitor.locator(".l2v-away-made")
    expect(made).to_have_attribute("data-rows", str(len(passages())))
    name, data = downloaded(visitor, "#away-download")
    assert name == f"our_collection-{LAST}.parquet"
    table = pq.read_table(io.BytesIO(data))
    assert table.column_names == ["row", "text", "label", "embedding"]
    assert table["text"].to_pylist() == [p.text for p in passages()]
    first = np.array(table["embedding"][0].as_py())
    expected = LLM2Vec.from_preset(f"mini:{LAST}").encode(passages()[0].text, normalize=True)
    assert np.allclose(first, expected, atol=1e-4)


def test_the_model_as_a_zip(visitor):
    away(visitor)
    visitor.locator("#away-export").click()
    expect(visitor.locator("#away-zip")).to_be_enabled(timeout=120_000)
    name, data = downloaded(visitor, "#away-zip")
    assert name == f"llm2vec-mini-{LAST}.zip"
    assert f"llm2vec-mini-{LAST}/modules.json" in zipfile.ZipFile(io.BytesIO(data)).namelist()


def test_the_addresses_for_programs_are_this_pages_own(visitor, server):
    away(visitor)
    expect(visitor.locator("#away-api-python")).to_contain_text(f'Client("{server}")')
    visitor.get_by_role("button", name="Inputs and outputs").click()
    expect(visitor.locator(".l2v-away-endpoint")).to_have_count(4)
    expect(visitor.locator(".l2v-away-api")).to_contain_text("/prefix_test")
    visitor.locator("#away-api-curl [data-l2v=copy]").click()
    expect(visitor.locator("#l2v-said")).to_have_text("Copied.")


def test_a_link_that_would_be_too_long_leaves_the_longest_text_out_and_says_so(visitor):
    away(visitor)
    visitor.locator("#away-instruction textarea").fill("long " * 2000)
    link = copied_link(visitor)
    expect(visitor.locator("#l2v-said")).to_contain_text("Without the longest texts")
    assert len(link) < 6100
    assert "away_kind=parquet" in link
    assert "away_instruction" not in link
    visitor.locator("#away-instruction textarea").fill("")


def test_pasted_lines_as_csv_and_the_code_follows_the_fields(visitor):
    away(visitor)
    visitor.locator("#away-source").get_by_label("Your texts").check()
    visitor.locator("#away-run").click()
    expect(visitor.locator("#away-notice")).to_contain_text("You have not loaded any texts yet")
    visitor.locator("#away-pasted textarea").fill("=HYPERLINK(1)\n<img src=x onerror=alert(1)>\n\na river")
    visitor.locator("#away-use").click()
    expect(visitor.locator("#away-own")).to_contain_text("3 texts from your lines")
    choose(visitor, "#away-encoder", "Causal, echo")
    choose(visitor, "#away-kind", "csv")
    visitor.locator("#away-normalize input").uncheck()
    command = visitor.locator("#away-command pre")
    expect(command).to_have_text(
        "python -m llm2vec_core encode texts.txt --out embeddings.csv --model mini:causal --template echo"
    )
    visitor.get_by_role("button", name="The same in Python").locator("visible=true").click()
    expect(visitor.locator("#away-code")).to_contain_text("encoder = BASELINES['echo']")
    expect(visitor.locator("#away-code")).to_contain_text("<img src=x onerror=alert(1)>")
    visitor.locator("#away-run").click()
    expect(visitor.locator(".l2v-away-made")).to_have_attribute("data-rows", "3")
    name, data = downloaded(visitor, "#away-download")
    assert name == "your_lines-echo.csv"
    assert [line.split(",")[1] for line in data.decode().splitlines()] == [
        "text", "'=HYPERLINK(1)", "<img src=x onerror=alert(1)>", "a river",
    ]  # fmt: skip
    choose(visitor, "#away-encoder", "Static token")
    expect(visitor.locator("#away-command pre")).to_contain_text("no command for this encoder")


def test_a_large_job_shows_how_far_it_is_and_can_be_stopped(page):
    away(page)
    page.locator("#away-stop").click()
    expect(page.locator("#l2v-live")).to_have_text("No file is being created.")
    page.locator("#away-source").get_by_label("Your texts").check()
    lines = "\n".join(f"{i} boats went up and down the river all day long, and nobody knew why" for i in range(18_000))
    page.locator("#away-upload input[type=file]").set_input_files(
        {"name": "boats.txt", "mimeType": "text/plain", "buffer": lines.encode()}
    )
    expect(page.locator("#away-own")).to_contain_text("18,000 texts")
    page.locator("#away-run").click()
    expect(page.locator("#away-status")).to_contain_text("of 18,000 texts")
    page.locator("#away-stop").click()
    expect(page.locator("#away-status")).to_contain_text("Stopped.")
    # The job is over and tells nothing more, whatever is answered after it.
    choose(page, "#away-kind", "npy")
    expect(page.locator("#away-command pre")).to_contain_text(".npy")
    quiet(page)
    expect(page.locator("#away-status")).to_contain_text("Stopped.")
    expect(page.locator("#away-download")).to_contain_text("Nothing to download yet")


def test_a_link_brings_the_view_back(page, open_page, server):
    away(page)
    choose(page, "#away-kind", "npy")
    choose(page, "#away-encoder", "Causal")
    page.locator("#away-instruction textarea").fill("find & <b>keep</b>: ünï")
    page.locator("#away-normalize input").uncheck()
    expect(page.locator("#away-command pre")).to_contain_text("--instruction")
    quiet(page)
    link = copied_link(page)
    expect(page.locator("#l2v-said")).to_have_text("Link copied.")
    assert "tab=away" in link
    command = page.locator("#away-command pre").inner_text()

    other = open_page(query=urlsplit(link).query)
    expect(other.locator("#away-command pre")).to_have_text(command)
    expect(other.locator("#away-instruction textarea")).to_have_value("find & <b>keep</b>: ünï")
    expect(other.locator("#away-normalize input")).not_to_be_checked()
    quiet(other)
    expect(other.locator("#link-notice .l2v-notice")).to_be_empty()

    other.goto(f"{server}/?present=1&tab=away&away_kind=exe&away_pooling=last_token&away_encoder=own&tab2=x")
    expect(other.locator("#away-command pre")).to_contain_text("--pooling-mode last_token")
    expect(other.locator("body")).to_have_class(re.compile("l2v-present"))
    # An adapter of its maker's own is said to be missing; it is no damage.
    expect(other.locator("#link-notice")).to_contain_text("A link carries none")
    expect(other.locator("#link-notice")).to_contain_text("left out (away_kind)")
