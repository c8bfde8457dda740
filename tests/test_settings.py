from __future__ import annotations

import json

import pytest

from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.settings import SETTING_NAMES, SETTINGS_FILE, EncoderSettings, SettingsOverrides, read_settings


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
        ({"pooling_mode": "bos_token"}, {"pooling_mode": "first_token", "skip_instruction": False}),
        ({"enable_bidirectional": False}, {"bidirectional": False}),
    ],
)
def test_the_published_package_s_file(tmp_path, published, ours):
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(published | {"some_other": 1}))
    assert read_settings(tmp_path / SETTINGS_FILE) == {"bidirectional": True, "skip_begin_token": True} | ours


@pytest.mark.parametrize("content", ["", "[]", "3"])
def test_a_broken_file(tmp_path, content):
    (tmp_path / SETTINGS_FILE).write_text(content)
    with pytest.raises(ModelError, match=SETTINGS_FILE):
        read_settings(tmp_path / SETTINGS_FILE)
