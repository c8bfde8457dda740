"""The journey of a file: how it was read is shown, and its header and its encoding can be chosen otherwise."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.ui.conftest import choose, open_tab


def test_a_table_is_shown_as_it_was_read_and_can_be_read_otherwise(page):
    open_tab(page, "Search")
    page.locator("#search-source").get_by_label("Your texts").check()
    rows = ["Über den Fluß;wasser", "<img src=x onerror=alert(1)>;wasser", "Die Bank schloß früh;geld"]
    page.locator("#search-upload input[type=file]").set_input_files(
        {"name": "rows.csv", "mimeType": "text/csv", "buffer": "\n".join(rows).encode("cp1252")}
    )
    own = page.locator("#search-own")
    expect(own).to_contain_text("3 texts from rows.csv")
    expect(own).to_contain_text("rows.csv is no UTF-8 and is read as cp1252")
    shown = page.locator("#search-preview")
    expect(shown).to_contain_text("columns separated by semicolon; no header row")
    expect(shown.locator("td").first).to_have_text("Über den Fluß")
    expect(shown.locator("img")).to_have_count(0)
    header = page.locator("#search-header input")
    expect(header).not_to_be_checked()
    header.check()
    expect(own).to_contain_text("2 texts from rows.csv")
    expect(shown).to_contain_text("first row: column names")
    header.uncheck()
    expect(own).to_contain_text("3 texts from rows.csv")
    # The other column: the preview marks it.
    choose(page, "search-text-column", "column 2", exact=False)
    expect(shown.locator("th").nth(1)).to_have_text("column 2 (embedded)")


def test_a_file_of_an_unknown_encoding_is_read_once_its_encoding_is_chosen(page):
    open_tab(page, "Search")
    page.locator("#search-source").get_by_label("Your texts").check()
    rows = "text,topic\nРека разлилась после дождя.,вода\nБанк ограбили в полдень.,деньги\n"
    page.locator("#search-upload input[type=file]").set_input_files(
        {"name": "rows.csv", "mimeType": "text/csv", "buffer": rows.encode("koi8-r")}
    )
    own, field = page.locator("#search-own"), page.locator("#search-encoding input")
    expect(page.locator("#search-own-notice")).to_contain_text("choose its encoding below")
    expect(field).to_have_value("found out from the file")
    choose(page, "search-encoding", "koi8-r", exact=False)
    expect(own).to_contain_text("2 texts from rows.csv, 2 labels")
    expect(page.locator("#search-preview td").first).to_have_text("Река разлилась после дождя.")
    expect(page.locator("#search-own-notice")).not_to_contain_text("encoding")
