from __future__ import annotations

import pytest

from llm2vec_core.corpus.source import Mended
from llm2vec_core.errors import InputError
from llm2vec_core.training.data import read_texts
from llm2vec_core.training.folders import training_files


def put(folder, *names: str):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'{{"text": "{name}"}}\n' if "json" in name else f"{name}\n")
    return folder


def taken(folder) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in training_files(folder).files]


@pytest.mark.parametrize(
    ("names", "wanted", "left_out"),
    [
        (
            ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl", "test-00000-of-00001.jsonl", "README.txt"],
            ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"],
            ("test-00000-of-00001.jsonl", "README.txt"),
        ),
        (["data/train.jsonl", "data/validation.jsonl", "README.md"], ["data/train.jsonl"], ("data/validation.jsonl",)),
        (["train/part1.jsonl", "test/part1.jsonl", "dev/x.jsonl"], ["train/part1.jsonl"], None),
        (["training_set.txt", "eval.txt", "LICENSE.txt"], ["training_set.txt"], None),
        (["my.train.jsonl", "my.dev.jsonl"], ["my.train.jsonl"], ("my.dev.jsonl",)),
        # No word for a split: one file a task, as the published pairs are.
        (["eli5.jsonl", "quora.jsonl", "contest.jsonl"], ["contest.jsonl", "eli5.jsonl", "quora.jsonl"], ()),
        (["a.txt", "test.txt"], ["a.txt"], ("test.txt",)),
        (["a.jsonl", "config.json", "dataset_infos.json", ".hidden.jsonl", "._a.jsonl"], ["a.jsonl"], None),
        (["records.json"], ["records.json"], ()),
        (["a.jsonl", "b.jsonl.gz"], ["a.jsonl"], ("b.jsonl.gz",)),
    ],
)
def test_what_is_taken_of_a_folder(tmp_path, names, wanted, left_out):
    put(tmp_path, *names)
    assert taken(tmp_path) == wanted
    if left_out is not None:
        assert training_files(tmp_path).left_out == left_out


def test_what_is_left_out_is_told(tmp_path):
    put(tmp_path, "train.txt", "test.txt", "README.txt")
    mended = Mended()
    assert list(read_texts(tmp_path, mended=mended)) == ["train.txt"]
    assert mended.notes == [f"read from {tmp_path.name}: train.txt; left out: test.txt, README.txt"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["en/train.jsonl", "de/train.jsonl"], "several configurations: de, en; name the folder of one"),
        (["en/train-0.jsonl", "de/train-0.jsonl", "de/test-0.jsonl"], "several configurations: de, en"),
        (["test.jsonl", "dev.jsonl"], "holds no training split, only dev.jsonl, test.jsonl"),
        (["README.txt", "LICENSE.txt"], r"holds no \.txt, \.jsonl"),
        (["train.jsonl.gz"], r"holds no .*; train\.jsonl\.gz has to be unpacked"),
        (["train/data-00000-of-00001.arrow"], r"data-00000-of-00001\.arrow has to be unpacked, or written as parquet"),
    ],
)
def test_what_is_refused(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        training_files(put(tmp_path, *names))
