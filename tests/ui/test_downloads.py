from __future__ import annotations

from pathlib import Path

import pytest
from gradio.utils import get_upload_folder

from llm2vec_core.ui.downloads import LONGEST_NAME, folder_for_download, offer, safe_name


def test_the_same_name_twice_makes_two_files_below_gradios_own_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    first, second = Path(offer("a.csv", b"1")), Path(offer("a.csv", b"2"))
    assert first.read_bytes() == b"1"
    assert second.read_bytes() == b"2"
    assert first.name == second.name == "a.csv"
    assert first.parent != second.parent
    assert first.parent.parent == Path(get_upload_folder()) == tmp_path / "cache"
    assert len(first.parent.name) == 40


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("map.png", "map.png"),
        ("a b/c\\d e.parquet", "d_e.parquet"),
        ("../../../etc/passwd", "passwd"),
        ("..", "download"),
        ("", "download"),
        (".ssh", "download.ssh"),
        ("x\x00y\n.csv", "x_y.csv"),
        ("=cmd|'/c calc'!A0.csv", "c_calc_A0.csv"),
        ("日本語.npy", "download.npy"),
        ("CON.csv", "_CON.csv"),
        ("--help", "help"),
        ("<script>.csv", "script.csv"),
    ],
)
def test_a_name_can_do_no_harm(name, expected):
    assert safe_name(name) == expected


def test_a_long_name_is_cut_before_its_ending():
    assert safe_name("n" * 5000 + ".parquet") == "n" * LONGEST_NAME + ".parquet"


def test_each_folder_is_new():
    folders = {folder_for_download() for _ in range(20)}
    assert len(folders) == 20
    for folder in folders:
        folder.rmdir()
