from __future__ import annotations

from pathlib import Path

import datasets
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
        (["urls.txt", "data/train.jsonl"], ["data/train.jsonl"], ("urls.txt",)),
        (["notes.jsonl", "more/a.jsonl"], ["notes.jsonl"], ("more/a.jsonl",)),
        (["train.json", "dev.json", "labels.txt"], ["train.json"], ("dev.json", "labels.txt")),
        (["train.jsonl", "old/train.jsonl"], ["train.jsonl"], ("old/train.jsonl",)),
        # The innermost name decides.
        (["train_test_split/train.jsonl", "train_test_split/test.jsonl"], ["train_test_split/train.jsonl"], None),
        (["training/a.jsonl", "training/test.jsonl"], ["training/a.jsonl"], ("training/test.jsonl",)),
        (["train.jsonl", "__MACOSX/train.jsonl", ".cache/train.jsonl"], ["train.jsonl"], ()),
        (["a.jsonl", "b.csv"], ["a.jsonl", "b.csv"], ()),
    ],
)
def test_what_is_taken_of_a_folder(tmp_path, names, wanted, left_out):
    put(tmp_path, *names)
    assert taken(tmp_path) == wanted
    if left_out is not None:
        assert training_files(tmp_path).left_out == left_out


DEFAULT = """
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
"""
SEVERAL = """
- config_name: en
  data_files: [{split: train, path: en.jsonl}]
- config_name: de
  default: true
  data_files: [{split: train, path: "de/**"}, {split: test, path: de_test.jsonl}]
"""
LISTS = """
- config_name: any
  data_files: [{split: train, path: [a.jsonl, sub/b.jsonl]}, {split: validation, path: [c.jsonl]}]
"""


def put_card(folder, configs: str):
    (folder / "README.md").write_text(f"---\nlicense: mit\nconfigs:{configs}\n---\n# A data set\n")
    return folder


@pytest.mark.parametrize(
    ("configs", "names"),
    [
        (DEFAULT, ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/test-00000.jsonl"]),
        (SEVERAL, ["en.jsonl", "de/a.jsonl", "de/inner/b.jsonl", "de_test.jsonl"]),
        (LISTS, ["a.jsonl", "sub/b.jsonl", "c.jsonl", "train.jsonl"]),
        ("\n- config_name: one\n  data_files: first.jsonl", ["first.jsonl", "second.jsonl"]),
        ("\n- config_name: one\n  data_files: '*.jsonl'", ["first.jsonl", "second.jsonl", "other.txt"]),
        ("\n- config_name: en\n  data_dir: en", ["en/train.jsonl", "en/test.jsonl", "de/train.jsonl"]),
    ],
)
def test_what_the_readme_says_counts_as_for_datasets(tmp_path, configs, names):
    put_card(put(tmp_path, *names), configs)
    builder = datasets.load_dataset_builder(str(tmp_path))
    theirs = sorted(Path(file).relative_to(tmp_path).as_posix() for file in builder.config.data_files["train"])
    assert taken(tmp_path) == theirs != []


@pytest.mark.parametrize(
    "names",
    [
        ["data/train-00000-of-00002.jsonl", "data/train-00001-of-00002.jsonl", "data/test-00000-of-00001.jsonl"],
        ["train.csv", "test.csv", "validation.csv"],
        ["train/a.txt", "train/b.txt", "test/a.txt"],
        ["train-1.jsonl", "train-2.jsonl", "dev-1.jsonl"],
        ["a.jsonl", "b.jsonl"],
        ["x/y/z/train.jsonl", "x/y/z/eval.jsonl"],
        ["default/train/0000.jsonl", "default/test/0000.jsonl"],
        ["training/part.jsonl", "testing/part.jsonl"],
        ["my_train_file.jsonl", "my_test_file.jsonl"],
        ["train.v1.jsonl", "val.v1.jsonl"],
    ],
    ids=lambda names: names[0],
)
def test_splits_by_name_are_those_of_datasets(tmp_path, names):
    put(tmp_path, *names, ".git/train.jsonl", ".gitattributes").joinpath("README.md").write_text("# A data set\n")
    builder = datasets.load_dataset_builder(str(tmp_path))
    theirs = sorted(Path(file).relative_to(tmp_path).as_posix() for file in builder.config.data_files["train"])
    assert taken(tmp_path) == theirs != []


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        (SEVERAL.replace("default: true", "version: 1"), "several configurations: en, de; name the files of one"),
        ("\n- config_name: a\n  data_files: [{split: test, path: a.jsonl}]", "no training split, only test"),
        (
            "\n- config_name: a\n  data_files: b.jsonl",
            r"README\.md names 'b\.jsonl' for the split 'train', and there is no",
        ),
        ("\n- config_name: a\n  data_files: ../a.jsonl", "does not lie in the folder"),
        ("\n- config_name: a\n  data_files: hf://datasets/o/n/a.jsonl", "does not lie in the folder"),
        ("\n- config_name: a\n  data_dir: ..", "not understood: '..'"),
        ("\n- config_name: a\n  data_dir: b", "names the folder 'b'"),
        ("\n- config_name: a\n  data_files: 5", "not understood: 5"),
        ("\n- config_name: a\n  data_files: [{split: train}]", "not understood"),
        ("\n- 5", "not understood"),
        ("\n- config_name: a\n  data_files: a.xml", r"a\.xml is of no kind that can be read here"),
    ],
)
def test_what_a_readme_cannot_say(tmp_path, configs, message):
    with pytest.raises(InputError, match=message):
        training_files(put_card(put(tmp_path, "a.jsonl", "a.xml"), configs))


@pytest.mark.parametrize("card", ["---\n: : [\n---\n", "---\nlicense: mit\n---\n", "# no YAML\n", "---\n- a\n---\n"])
def test_a_readme_that_says_nothing_about_files(tmp_path, card):
    (put(tmp_path, "a.jsonl", "test.jsonl") / "README.md").write_text(card)
    assert taken(tmp_path) == ["a.jsonl"]


def test_shards_that_are_not_there_are_told(tmp_path):
    put(tmp_path, "data/train-00000-of-00003.jsonl", "data/train-00002-of-00003.jsonl")
    assert training_files(tmp_path).missing == ("train-00001-of-00003.jsonl",)
    mended = Mended()
    list(read_texts(tmp_path, mended=mended))
    assert mended.notes[0].endswith("missing: train-00001-of-00003.jsonl")


def test_a_link_to_nothing(tmp_path):
    (tmp_path / "train.jsonl").symlink_to(tmp_path / "blobs" / "0a1b")
    for names in ([], ["extra.jsonl"]):
        with pytest.raises(InputError, match=r"train\.jsonl is a link to a file that is not there"):
            training_files(put(tmp_path, *names))


def test_a_long_list_is_cut(tmp_path):
    put(tmp_path, "train.txt", *(f"test{i:03d}.txt" for i in range(50)))
    mended = Mended()
    list(read_texts(tmp_path, mended=mended))
    assert "test009.txt and 40 more" in mended.notes[0] and "test010" not in mended.notes[0]


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
        (["train.jsonl.gz", "extra.jsonl"], r"holds no .*; train\.jsonl\.gz has to be unpacked"),
        (["train.csv", "train.parquet"], r"several formats to train on, train\.csv, train\.parquet"),
        (["data/train-0.jsonl", "data/train.parquet"], "several formats"),
        (["a.csv", "a.jsonl"], "several formats"),
        (["data.csv", "labels.txt"], r"several formats to train on, data\.csv, labels\.txt"),
        (["pair/train.jsonl", "triplet/train.jsonl"], "several configurations: pair, triplet"),
        (["train/data-00000-of-00001.arrow"], r"data-00000-of-00001\.arrow has to be unpacked, or written as parquet"),
    ],
)
def test_what_is_refused(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        training_files(put(tmp_path, *names))
