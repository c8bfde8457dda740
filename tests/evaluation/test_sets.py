from __future__ import annotations

import shutil

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.evaluation.sets import find_sets

PAIRS = {"sentence1": ["a", "b", "c"], "sentence2": ["d", "e", "f"]}
LABELLED = {"text": list("abcdef"), "label": [0, 1, 0, 1, 0, 1], "split": ["train"] * 3 + ["test"] * 3}


@pytest.fixture
def folder(write):
    write("STS12", **PAIRS, score=[1.0, 2.0, 3.0])
    write("Mine", **PAIRS, score=[1.0, 2.0, 3.0])
    write("MRPC", **PAIRS, label=[0, 1, 0])
    write("Banking77", **LABELLED)
    write("Topics", **LABELLED)
    write("Trial", **PAIRS, score=[1.0, 2.0, 3.0], split=["trial"] * 3)
    write("plain", text=["a"])
    write("Docs_corpus", id=["1", "2"], text=["a", "b"])
    write("Docs_queries", id=["1", "2"], text=["a", "b"])
    return write("Docs_qrels", query_id=["1", "2"], doc_id=["1", "2"], score=[1, 1])


def test_usual_sets_go_by_name_and_others_by_their_columns(folder):
    found = find_sets(folder)
    assert [(one.task.kind, one.name) for one in found.sets] == [
        ("sts", "STS12"),
        ("sts", "Mine"),
        ("pair_classification", "MRPC"),
        ("classification", "Banking77"),
        ("classification", "Topics"),
        ("clustering", "Topics"),  # Banking77 is known to be no clustering set
        ("retrieval", "Docs"),
    ]
    assert {"STS13", "CLINC150", "Cranfield"} <= set(found.missing) and "STS12" not in found.missing
    assert found.left_out == (
        "sts: Trial has no rows of the split 'test', only trial",
        "plain: no task takes its columns",
    )


def test_kinds_and_names_choose(folder):
    assert [one.name for one in find_sets(folder, ["retrieval", "Mine"]).sets] == ["Mine", "Docs"]
    assert find_sets(folder, ["retrieval"]).missing == ("Cranfield", "CISI")
    with pytest.raises(InputError, match=r"no set 'stss'.* one of sts, pair_classification"):
        find_sets(folder, ["stss"])
    with pytest.raises(InputError, match="Trial has no rows"):
        find_sets(folder, ["Trial"])


def test_a_limit_reaches_every_set(folder):
    for one in find_sets(folder, ["sts", "pair_classification"], limit=2).sets:
        assert len(one.data.sentence1) == 2


def test_a_usual_set_that_cannot_be_used_is_an_error(folder, write):
    write("STS13", **PAIRS)
    with pytest.raises(InputError, match=r"STS13\.parquet has no column score"):
        find_sets(folder)


def test_a_broken_file_of_another_name_is_left_out_and_named(folder):
    (folder / "Notes.parquet").write_text("no parquet")
    assert find_sets(folder).left_out[0] == "Notes.parquet is empty or no parquet file: write it again"
    (folder / "STS13.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"STS13\.parquet is empty"):
        find_sets(folder)


def test_folders_that_cannot_be_used(tmp_path, write):
    with pytest.raises(InputError, match="no folder 'nowhere'"):
        find_sets(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no set to measure, such as STS12"):
        find_sets(tmp_path)
    write("Trial", **PAIRS, score=[1.0, 2.0, 3.0], split=["trial"] * 3)
    with pytest.raises(InputError, match="Trial has no rows of the split 'test'"):
        find_sets(tmp_path)


def test_other_content_has_another_digest(folder, write, tmp_path):
    before = {one.name: one.digest for one in find_sets(folder).sets}
    write("Docs_qrels", query_id=["1", "2"], doc_id=["2", "1"], score=[1, 1])
    after = {one.name: one.digest for one in find_sets(folder).sets}
    assert {name for name in before if before[name] != after[name]} == {"Docs"}
    shutil.copy(folder / "Mine.parquet", folder / "Other.parquet")
    assert len({one.digest for one in find_sets(folder, ["Mine", "Other"]).sets}) == 1
