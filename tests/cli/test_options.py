from __future__ import annotations

import argparse
import inspect
from types import SimpleNamespace
from typing import get_args

import pytest

from llm2vec_core import encoder as encoder_module
from llm2vec_core.cli.options import (
    ENCODING,
    LOADING,
    ModelChoice,
    add_encoding_options,
    add_model_options,
    choose_model,
    given,
    load_encoder,
)
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError
from llm2vec_core.pooling import POOLING_MODES
from llm2vec_core.presets import BUNDLED, PRESETS
from llm2vec_core.settings import SETTING_NAMES, Precision


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    add_encoding_options(parser)
    parser.set_defaults(quiet=True)
    return parser.parse_args(arguments)


def test_the_bundled_encoder_by_default():
    best = BUNDLED.default
    assert choose_model(parse()) == ModelChoice(BUNDLED.base, best.adapters, {"bidirectional": True}, BUNDLED)
    assert choose_model(parse("--model", "mini")) == choose_model(parse())


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_every_stage_has_a_name(preset):
    for stage in preset.stages:
        choice = choose_model(parse("--model", f"{preset.key}:{stage.key}", "--adapter", "more"))
        assert (choice.source, choice.adapters) == (preset.base, (*stage.adapters, "more"))
        assert choice.options == {"bidirectional": stage.bidirectional, **preset.settings}
        assert choose_model(parse("--model", preset.key, "--causal")).options["bidirectional"] is False


def test_every_precision_can_be_chosen():
    assert [parse("--precision", name).precision for name in get_args(Precision)] == list(get_args(Precision))


def test_other_models_are_handed_on(tmp_path):
    assert choose_model(parse("--model", "owner/model")) == ModelChoice("owner/model", (), {})
    assert choose_model(parse("--model", "owner/model", "--causal")).options == {"bidirectional": False}
    assert choose_model(parse("--model", str(tmp_path))).source == str(tmp_path)


def test_settings_name_folders_without_their_place():
    settings = choose_model(parse("--model", "mini:mntp", "--max-length", "9")).as_settings()
    assert settings == {"model": "llm2vec-mini", "adapters": ["mntp"], "bidirectional": True, "max_length": 9}
    assert choose_model(parse("--model", "owner/model")).as_settings()["model"] == "owner/model"


def test_unusable_names():
    with pytest.raises(
        InputError, match=r"preset 'mini' has no stage 'best'; choose one of causal, bidirectional, mntp"
    ):
        choose_model(parse("--model", "mini:best"))
    for empty in ("", " "):  # a shell's variable that is not set
        with pytest.raises(InputError, match="the model's name is empty"):
            choose_model(parse("--model", empty))
    with pytest.raises(InputError, match=r"--prompt 'Find: ': write NAME=TEXT"):
        choose_model(parse("--prompt", "Find: "))
    with pytest.raises(InputError, match=r"there is no folder './nowhere'"):
        choose_model(parse("--model", "./nowhere"))


def test_only_given_options_are_handed_on(monkeypatch):
    every = {
        "--pooling-mode": ("pooling_mode", "last_token"),
        "--max-length": ("max_length", 64),
        "--doc-max-length": ("doc_max_length", 32),
        "--template": ("template", "chat"),
        "--sliding-window": ("sliding_window", "keep"),
        "--dtype": ("dtype", "bfloat16"),
        "--device": ("device", "cpu"),
        "--attn-implementation": ("attn_implementation", "eager"),
        "--revision": ("revision", "main"),
        "--quantization": ("quantization", "4bit"),
        "--precision": ("precision", "int8"),
        "--default-prompt-name": ("default_prompt_name", "query"),
        "--truncate-dim": ("truncate_dim", 64),
    }
    typed = [part for option, (_, value) in every.items() for part in (option, str(value))]
    asked = {}

    def from_pretrained(source, adapters, **options):
        asked.update(options, source=source, adapters=adapters)
        return SimpleNamespace(name="m", bidirectional=True, pooling_mode="mean", hidden_size=8)

    monkeypatch.setattr(encoder_module.LLM2Vec, "from_pretrained", from_pretrained)
    switches = ("--skip-begin-token", "--pool-instruction", "--append-eos", "--normalize")
    prompts = ("--prompt", "query=Find: a = b ", "--prompt", "document=")
    load_encoder(parse("--model", "m", "--adapter", "a", *typed, *switches, *prompts))
    assert asked == {
        **dict(every.values()),
        "skip_begin_token": True,
        "skip_instruction": False,
        "append_eos": True,
        "normalize": True,
        "prompts": {"query": "Find: a = b ", "document": ""},
        "source": "m",
        "adapters": ("a",),
    }
    assert set(asked) - {"source", "adapters"} == set(LOADING)
    asked.clear()
    load_encoder(parse("--model", "m"))
    assert asked == {"source": "m", "adapters": ()}


def test_every_setting_can_be_given():
    assert set(SETTING_NAMES) - {"bidirectional"} <= set(LOADING)
    named = set(inspect.signature(LLM2Vec.from_pretrained).parameters)
    assert set(LOADING) <= named | set(SETTING_NAMES)


def test_encoding_options_are_arguments_of_encode():
    assert set(ENCODING) < set(inspect.signature(LLM2Vec.encode).parameters)
    assert given(parse(), ENCODING) == {}
    typed = parse(
        "--instruction",
        "i",
        "--prompt-name",
        "query",
        "--normalize",
        "--batch-size",
        "2",
        "--max-tokens-per-batch",
        "9",
    )
    assert given(typed, ENCODING) == {
        "instruction": "i",
        "prompt_name": "query",
        "normalize": True,
        "batch_size": 2,
        "max_tokens_per_batch": 9,
    }


def test_help_names_every_pooling_mode():
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    for mode in POOLING_MODES:
        assert mode in parser.format_help()


def test_the_model_is_announced_unless_quiet(capsys):
    arguments = parse("--model", "mini:causal", "--dtype", "bfloat16", "--max-length", "7")
    encoder = load_encoder(arguments)
    assert (str(encoder.model.dtype), encoder.max_length, encoder.bidirectional) == ("torch.bfloat16", 7, False)
    assert capsys.readouterr().err == ""
    arguments.quiet = False
    load_encoder(arguments)
    assert "llm2vec-mini, causal, mean pooling, 384 numbers a text\n" in capsys.readouterr().err
