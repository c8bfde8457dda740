from __future__ import annotations

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.presets import BUNDLED, PRESETS, ModelPreset
from llm2vec_core.ui import models as module
from llm2vec_core.ui.allowed import VARIABLE, AllowedModels
from llm2vec_core.ui.models import Models


def allowed(value: str | None, **environment: str) -> AllowedModels:
    return AllowedModels.from_environment({**environment, **({} if value is None else {VARIABLE: value})})


def lets_through(rule: AllowedModels, name: str) -> bool:
    try:
        rule.check_name(name, PRESETS.values())
    except InputError:
        return False
    return True


@pytest.mark.parametrize(
    ("value", "passed", "refused"),
    [
        (None, ["owner/model", "Qwen/Qwen3-0.6B"], []),
        ("any", ["owner/model"], []),
        ("presets", ["Qwen/Qwen3-0.6B", "McGill-NLP/LLM2Vec-Sheared-LLaMA-mntp"], ["Qwen/Qwen3-4B", "owner/model"]),
        ("none", [], ["Qwen/Qwen3-0.6B", "owner/model"]),
        ("owner/model", ["owner/model"], ["owner/model2", "Owner/model", "owner2/model", "Qwen/Qwen3-0.6B"]),
        ("owner/* , a/b.c", ["owner/x", "owner/y-1", "a/b.c"], ["owner2/x", "a/bxc", "Qwen/Qwen3-0.6B"]),
        ("presets\nowner/x", ["Qwen/Qwen3-0.6B", "owner/x"], ["owner/y"]),
    ],
)
def test_the_list_is_what_the_operator_says(value, passed, refused):
    rule = allowed(value)
    assert [name for name in passed if not lets_through(rule, name)] == []
    assert [name for name in refused if lets_through(rule, name)] == []


def test_a_space_offers_its_presets_unless_its_operator_says_otherwise():
    assert allowed(None, SPACE_ID="owner/name").words == ("presets",)
    assert allowed(" , ", SPACE_ID="owner/name").words == ("presets",)
    assert allowed("any", SPACE_ID="owner/name").anything
    assert allowed(None).anything


@pytest.mark.parametrize(
    "value", ["owner", "*/*", "*", "owner/*x", "any, owner/x", "presets none", "../x", "owner/x/y"]
)
def test_a_list_that_cannot_be_read_is_refused(value):
    with pytest.raises(InputError, match=rf"{VARIABLE}: .* cannot stand there; give Hub ids"):
        allowed(value)


def test_what_is_not_allowed_asks_the_hub_for_nothing(monkeypatch):
    def asked(*_):
        pytest.fail("the Hub was asked")

    for name in ("hub_preset", "load_config", "provide"):
        monkeypatch.setattr(module, name, asked)
    models = Models(allowed=allowed("presets, owner/x"))
    wanted = "'owner/y' is not loaded on this server: its operator allows the models of the list, owner/x"
    with pytest.raises(InputError, match=wanted):
        list(models.load("hub:owner/y"))
    models = Models(allowed=allowed("none"))
    with pytest.raises(
        InputError, match=r"Qwen3 0.6B is not loaded on this server: its operator allows none of the Hub"
    ):
        list(models.load("qwen3-0.6b"))
    assert list(models.load(BUNDLED.key)) == []


def test_an_adapter_brings_no_base_that_is_not_allowed(monkeypatch):
    monkeypatch.setattr(module, "hub_preset", lambda name: ModelPreset(f"hub:{name}", name, "other/base", "?", 0, ()))
    with pytest.raises(InputError, match="'other/base' is not loaded on this server"):
        list(Models(allowed=allowed("owner/*")).load("hub:owner/adapter"))


def test_the_environment_is_read_when_the_page_starts(monkeypatch):
    monkeypatch.setenv(VARIABLE, "owner")
    with pytest.raises(InputError, match=VARIABLE):
        Models()
