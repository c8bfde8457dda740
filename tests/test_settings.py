from __future__ import annotations

import json
from dataclasses import fields

import pytest

from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.settings import SETTING_NAMES, SETTINGS_FILE, EncoderSettings, SettingsOverrides, read_settings

SWITCHES = [field.name for field in fields(EncoderSettings) if isinstance(field.default, bool)]


def test_overrides_name_every_setting():
    assert tuple(SettingsOverrides.__annotations__) == SETTING_NAMES


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pooling_mode": "max"}, "unknown pooling_mode 'max'"),
        ({"max_length": 0}, "max_length 0"),
        ({"max_length": True}, "max_length True"),
        ({"max_length": 1.5}, r"max_length 1\.5"),
        ({"doc_max_length": -1}, "doc_max_length -1"),
        ({"sliding_window": "half"}, "unknown sliding_window 'half'"),
        ({"precision": "int4"}, "unknown precision 'int4'"),
        ({"template": "shout"}, "unknown template"),
        ({"max_length": "512"}, "max_length '512'"),
        ({"max_length": 10**400}, r"max_length 1000+ must be a whole number of at most 9,223,372,036,854,775,807"),
        (
            {"doc_max_length": 10**5_000},
            "doc_max_length an int that cannot be written out must be a whole number of at most",
        ),
        ({"truncate_dim": 2**63}, "truncate_dim 9223372036854775808 must be a whole number of at most"),
        *[({name: "false"}, f"{name} 'false' must be True or False") for name in SWITCHES],
        *[({name: 1}, f"{name} 1 must be True or False") for name in SWITCHES],
        *[({name: ["mean"]}, f"{name} .*must be a name") for name in ("pooling_mode", "template", "precision")],
    ],
)
def test_values_that_do_not_exist(wrong, message):
    with pytest.raises(InputError, match=message):
        EncoderSettings(**wrong)


def test_there_and_back(tmp_path):
    settings = EncoderSettings(pooling_mode="last_token", max_length=33, template="echo", append_eos=True)
    settings.save(tmp_path)
    assert EncoderSettings(**read_settings(tmp_path / SETTINGS_FILE)) == settings


def test_no_file_says_nothing(tmp_path):
    assert read_settings(tmp_path / SETTINGS_FILE) == {}


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ({"pooling_mode": "mean"}, {"pooling_mode": "mean"}),
        ({"pooling_mode": "eos_token"}, {"pooling_mode": "last_token", "append_eos": True}),
        (
            {"pooling_mode": "bos_token"},
            {"pooling_mode": "first_token", "skip_instruction": False, "skip_begin_token": False},
        ),
        ({"enable_bidirectional": False}, {"bidirectional": False}),
    ],
)
def test_the_published_package_s_file(tmp_path, published, ours):
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(published | {"some_other": 1}))
    assert read_settings(tmp_path / SETTINGS_FILE) == {"bidirectional": True, "skip_begin_token": True} | ours


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"bidirectional": "false"}, "bidirectional 'false' must be True or False"),
        ({"enable_bidirectional": "False"}, "bidirectional 'False'"),
        ({"bidirectional": True, "pooling_mode": ["mean"]}, "pooling_mode"),
        ({"bidirectional": True, "max_length": "long"}, "max_length 'long'"),
        ({"bidirectional": True, "max_length": 10**400}, "max_length 1000"),
    ],
)
def test_a_file_with_a_value_of_the_wrong_kind(tmp_path, found, message):
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(found))
    with pytest.raises(ModelError, match=f"{SETTINGS_FILE}.*{message}"):
        read_settings(tmp_path / SETTINGS_FILE)


def test_a_file_with_a_number_that_python_does_not_read(tmp_path):
    (tmp_path / SETTINGS_FILE).write_text(f'{{"bidirectional": true, "max_length": {"7" * 5_000}}}')
    with pytest.raises(ModelError, match=rf"{SETTINGS_FILE}.* holds a whole number of more than 4,300 digits"):
        read_settings(tmp_path / SETTINGS_FILE)


@pytest.mark.parametrize("content", ["", "[]", "3", "[" * 100_000])
def test_a_broken_file(tmp_path, content):
    (tmp_path / SETTINGS_FILE).write_text(content)
    with pytest.raises(ModelError, match=SETTINGS_FILE):
        read_settings(tmp_path / SETTINGS_FILE)
