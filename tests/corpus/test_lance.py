"""Lance datasets: whole or not there, however a run ends. Oracles: Lance's own reader, numpy, the parquet output."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pytest

from llm2vec_core.corpus import lance_files
from llm2vec_core.corpus.encoding import CorpusEncoding, ShardEncoding, parts_folder
from llm2vec_core.corpus.lance_files import join_shards, open_lance
from llm2vec_core.corpus.outputs import embedding_table, has_embeddings, load_embeddings, stored_settings
from llm2vec_core.corpus.shards import MANIFEST, Corpus, Shard
from llm2vec_core.errors import InputError, MissingPackageError, ModelError
from tests.children import command_of, environment
from tests.corpus.test_encoding import DISK_CALLS, TEXTS, Counting, Killed, die_before_each_step, encode, stop_after

WANTED = encode(TEXTS, lambda *_: None)
WATCHED = (
    *DISK_CALLS, (os, "link"), (shutil, "rmtree"), (lance, "write_dataset"), (lance.LanceDataset, "commit")
)  # fmt: skip


def job(out: Path, **changes) -> CorpusEncoding:
    return CorpusEncoding(out, {"model": "lengths"}, **{"chunk_rows": 4, **changes})


def shard_job(out: Path, shard: str, **changes) -> ShardEncoding:
    options = {"chunk_rows": 4, **changes}
    return ShardEncoding(out, Shard.parse(shard), Corpus.survey(TEXTS), {"model": "lengths"}, **options)


def check_whole(out: Path) -> None:
    table = lance.dataset(out).to_table()
    assert table.column_names == ["row", "text", "embedding"]
    assert (table["row"].to_pylist(), table["text"].to_pylist()) == (list(range(25)), TEXTS)
    np.testing.assert_array_equal(np.stack(table.to_pandas()["embedding"]), WANTED)


def test_rows_come_out_once_each_in_order_and_other_programs_read_them(tmp_path):
    out = tmp_path / "new" / "v.lance"
    report = job(out).run(encode, iter(TEXTS))
    assert (report.rows, report.resumed_rows) == (25, 0)
    assert [f.name for f in out.parent.iterdir()] == ["v.lance"]
    check_whole(out)
    embeddings, texts = load_embeddings(out)
    assert texts == TEXTS
    np.testing.assert_array_equal(embeddings, WANTED)
    assert has_embeddings(out)
    assert stored_settings(out) == {"model": "lengths", "chunk_rows": 4, "texts": True}
    # One transaction, one file.
    assert [len(v.get_fragments()) for v in [lance.dataset(out)]] == [1]
    assert lance.dataset(out).version == 1


def test_a_stopped_run_is_continued(tmp_path):
    out = tmp_path / "v.lance"
    with pytest.raises(Killed):
        job(out).run(encode, TEXTS, stop_after(10))
    assert not out.exists()
    counting = Counting()
    assert job(out).run(counting, TEXTS).resumed_rows == 8
    assert counting.seen == TEXTS[8:]
    check_whole(out)


@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwritten"])
def test_death_before_any_step_on_the_disk(tmp_path, monkeypatch, overwrite):
    def places():
        for i in itertools.count():
            out = tmp_path / str(i) / "v.lance"
            if overwrite:
                job(out).run(encode, TEXTS[:5])
            yield out

    def run(out):
        job(out, overwrite=overwrite, chunk_rows=10).run(encode, TEXTS)

    def check(out, _):
        job(out, overwrite=True, chunk_rows=10).run(encode, TEXTS)
        check_whole(out)
        assert [f.name for f in out.parent.iterdir()] == ["v.lance"]

    died_in = die_before_each_step(places(), monkeypatch, WATCHED, run, check)
    assert set(died_in) == {"mkdir", "replace", "unlink", "rmdir", "fsync", "rmtree", "write_dataset"}
    shutil.rmtree(tmp_path)


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from llm2vec_core.corpus.encoding import CorpusEncoding, parts_folder
from llm2vec_core.corpus.lance_search import LanceCorpus, build_index
from llm2vec_core.errors import InputError

out = Path(sys.argv[1])
def encode(texts, progress):
    return np.random.default_rng(len(texts[0])).standard_normal((len(texts), 64)).astype(np.float32)
def job():
    return CorpusEncoding(out, {}, chunk_rows=100)
texts = ["a" * (i % 50) for i in range(3000)]
# No file may be larger: parts of 26 KB can be written, the joined 768 KB cannot.
everything = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, everything[1]))
try:
    job().run(encode, texts)
except InputError as error:
    print(error)
print(out.exists(), sorted(file.name for file in parts_folder(out).iterdir() if file.suffix == ".tmp"))
resource.setrlimit(resource.RLIMIT_FSIZE, everything)
print(job().run(encode, texts))

# And in the middle of building an index.
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, everything[1]))
try:
    build_index(out, exact_below=1000, rows_per_cell=500)
except OSError as error:
    print(error.errno, error.strerror)
resource.setrlimit(resource.RLIMIT_FSIZE, everything)
print(len(LanceCorpus(out)), build_index(out, exact_below=1000, rows_per_cell=500).cells)
"""


@pytest.mark.process
def test_a_full_disk_in_the_middle_of_an_append_and_of_an_index(tmp_path):
    command = command_of(FULL_DISK, str(tmp_path / "v.lance"))
    done = subprocess.run(command, check=True, env=environment(), capture_output=True, text=True)
    full, left, resumed, index_full, rebuilt = done.stdout.splitlines()
    assert full.startswith("the disk is full, so 'v.lance' could not be finished. The first 3,000 rows are kept beside")
    assert left == "False []"
    assert resumed == "EncodingReport(rows=3000, resumed_rows=3000)"
    assert index_full == f"{errno.EFBIG} {os.strerror(errno.EFBIG)}"
    assert rebuilt == "3000 6"


def encode_shards(out: Path, count: int) -> None:
    for number in reversed(range(1, count + 1)):
        shard_job(out, f"{number}/{count}").run(encode, iter(TEXTS))


@pytest.mark.parametrize("count", [1, 2, 7])
def test_shards_join_without_rewriting_a_row(tmp_path, count):
    out = tmp_path / "v.lance"
    encode_shards(out, count)
    with pytest.raises(InputError, match=r"the shards of 'v.lance' are not joined yet: index build v.lance"):
        open_lance(out)
    np.testing.assert_array_equal(load_embeddings(out)[0], WANTED)
    files = {file.name: file.stat().st_ino for file in out.glob("shard-*/data/*")}
    assert len(files) == count
    assert join_shards(out)
    check_whole(out)
    assert {file.name: file.stat().st_ino for file in out.glob("data/*")} == files
    assert not list(out.glob("shard-*")) and not (out / MANIFEST).exists()
    assert stored_settings(out)["model"] == "lengths"
    assert not join_shards(out)
    with pytest.raises(InputError, match=r"'v.lance' exists and is whole; a shard cannot be added to it"):
        shard_job(out, f"1/{count}")


def test_shards_are_copied_where_a_file_system_has_no_links(tmp_path, monkeypatch):
    out = tmp_path / "v.lance"
    encode_shards(out, 2)

    def no_links(source, target):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(lance_files.os, "link", no_links)
    assert join_shards(out)
    check_whole(out)


def test_death_before_any_step_of_joining(tmp_path, monkeypatch):
    encode_shards(tmp_path / "v.lance", 3)

    def check(out, _):
        join_shards(out)
        check_whole(out)
        assert not list(out.glob("shard-*")) and not (out / MANIFEST).exists()

    places = (Path(shutil.copytree(tmp_path / "v.lance", tmp_path / str(i) / "v.lance")) for i in itertools.count())
    died_in = die_before_each_step(places, monkeypatch, WATCHED, join_shards, check)
    assert set(died_in) == {"mkdir", "unlink", "link", "commit", "rmtree"}


def test_a_shard_that_exists_is_missing_or_cut_off_is_named_and_nothing_is_lost(tmp_path):
    out = tmp_path / "v.lance"
    shard_job(out, "2/2").run(encode, TEXTS)
    with pytest.raises(InputError, match=r"'shard-00002-of-00002.lance' exists and is whole; --force"):
        shard_job(out, "2/2")
    with pytest.raises(InputError, match=r"lacks 1 of 2 shards: encode --shard 1/2"):
        join_shards(out)
    with pytest.raises(InputError, match=r"holds 2 shards; shard 1/3 would overlap them"):
        shard_job(out, "1/3")
    with pytest.raises(InputError, match=r"'v.lance' is a folder of shards; --shard adds to it"):
        job(out)
    shard_job(out, "1/2").run(encode, TEXTS)
    first = Shard(1, 2).file(out)
    lance.dataset(first).delete("row = 3")
    with pytest.raises(InputError, match=r"'shard-00001-of-00002.lance' holds 11 rows; shard 1/2 has 12"):
        join_shards(out)
    shard_job(out, "1/2", overwrite=True).run(encode, TEXTS)
    join_shards(out)
    check_whole(out)


def test_only_a_dataset_is_ever_replaced(tmp_path):
    out = tmp_path / "v.lance"
    job(out).run(encode, TEXTS)
    with pytest.raises(InputError, match=r"'v.lance' exists and is whole; --force"):
        job(out)
    diary = tmp_path / "mine.lance"
    diary.mkdir()
    (diary / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match=r"'mine.lance' is a folder; name a file"):
        job(diary, overwrite=True)
    assert (diary / "diary.txt").read_text() == "mine"


def dataset(folder: Path, **columns) -> Path:
    table = embedding_table(0, ["a", "b"], np.ones((2, 8), np.float32))
    for name, column in columns.items():
        table = table.drop_columns(name)
        if column is not None:
            table = table.append_column(name, column)
    out = folder / f"{len(list(folder.iterdir()))}.lance"
    lance.write_dataset(table, out)
    return out


def test_columns_of_another_type_are_named(tmp_path):
    numbers = pa.array([1, 2])
    lists = pa.array([[1.0], [1.0, 2.0]], pa.list_(pa.float32()))
    halves = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(16, np.float16)), 8)
    for columns, message in (
        ({"text": numbers}, "column 'text' of '0.lance' holds int64; expected texts"),
        (
            {"embedding": lists},
            "column 'embedding' of '1.lance' holds list<.*float>; expected a fixed_size_list of float",
        ),
        ({"embedding": halves}, "column 'embedding' of '2.lance' holds fixed_size_list<.*halffloat.*expected"),
        ({"embedding": None}, "'3.lance' has no column 'embedding'; it has row, text"),
        ({"row": pa.array(["0", "1"])}, "column 'row' of '4.lance' holds string; expected int64"),
    ):
        with pytest.raises(InputError, match=message):
            load_embeddings(dataset(tmp_path, **columns))
    assert load_embeddings(dataset(tmp_path, text=pa.array(["a", "b"], pa.large_string())))[1] == ["a", "b"]
    assert load_embeddings(dataset(tmp_path, text=None))[1] is None


def test_what_is_no_dataset_is_named(tmp_path):
    with pytest.raises(InputError, match=r"'none.lance' is no Lance dataset; encode --out none.lance makes one"):
        open_lance(tmp_path / "none.lance")
    out = dataset(tmp_path)
    for file in out.glob("_versions/*"):
        file.write_bytes(b"no manifest")
    with pytest.raises(InputError, match=r"'0.lance' is no Lance dataset that can be read"):
        open_lance(out)


def test_without_the_extra_it_is_named_before_anything_is_encoded(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lance", None)
    for attempt in (job, lambda out: shard_job(out, "1/2"), open_lance):
        with pytest.raises(MissingPackageError) as caught:
            attempt(tmp_path / "v.lance")
        assert str(caught.value) == "a .lance dataset needs pylance: pip install '.[search]' in the project's folder"
    assert job(tmp_path / "v.parquet").run(encode, TEXTS).rows == 25


@pytest.mark.parametrize("suffix", [".lance", ".parquet", ".jsonl", ".csv"])
def test_kept_columns_stand_beside_the_texts(tmp_path, suffix):
    out = tmp_path / f"v{suffix}"
    records = [(text, f"topic {i % 3}", "") for i, text in enumerate(TEXTS)]
    job(out, kept=("topic", "note")).run(encode, records)
    table = {
        ".lance": lambda: lance.dataset(out).to_table(),
        ".parquet": lambda: pa.parquet.read_table(out),
        ".jsonl": lambda: pa.json.read_json(out),
        ".csv": lambda: pa.csv.read_csv(out),
    }[suffix]()
    assert table.column_names[:4] == ["row", "text", "topic", "note"]
    assert table["text"].to_pylist() == TEXTS
    assert table["topic"].to_pylist() == [topic for _, topic, _ in records]


def test_a_kept_column_that_changed_is_another_input(tmp_path):
    out = tmp_path / "v.lance"
    records = [(text, "a") for text in TEXTS]
    with pytest.raises(Killed):
        job(out, kept=("topic",)).run(encode, records, stop_after(10))
    with pytest.raises(InputError, match="rows 4 to 7 are others now"):
        job(out, kept=("topic",)).run(encode, [*records[:5], (TEXTS[5], "b"), *records[6:]])
    with pytest.raises(InputError, match=r"kept was \['topic'\] and is None"):
        job(out).run(encode, TEXTS)
    assert job(out, kept=("topic",)).run(encode, records).resumed_rows == 8


@pytest.mark.parametrize("name", ["row", "text", "embedding", "3"])
def test_a_column_that_cannot_be_kept(tmp_path, name):
    with pytest.raises(InputError, match=f"the column '{name}' cannot be kept"):
        job(tmp_path / "v.lance", kept=(name,))
    with pytest.raises(InputError, match=r"'v.npy' holds numbers alone and cannot keep 'topic'"):
        job(tmp_path / "v.npy", kept=("topic",))
    with pytest.raises(InputError, match="the column 'topic' cannot be kept"):
        job(tmp_path / "v.lance", kept=("topic", "topic"))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_never_written(tmp_path, wrong):
    out = tmp_path / "v.lance"

    def broken(texts, progress):
        vectors = encode(texts, progress)
        vectors[[text == TEXTS[6] for text in texts], 1] = wrong
        return vectors

    with pytest.raises(ModelError, match="NaN or infinity for row 6"):
        job(out).run(broken, TEXTS)
    assert len(list(parts_folder(out).glob("part-*"))) == 1
    assert job(out).run(encode, TEXTS).resumed_rows == 4
