from __future__ import annotations

import json

import pytest

from llm2vec_core.errors import InputError
from llm2vec_core.presets import BUNDLED, PRESETS
from llm2vec_core.training.config import TrainingConfig
from llm2vec_core.training.objectives import make_objective
from llm2vec_core.training.recipe import OBJECTIVE_NAMES, config_names, read_recipe

PUBLISHED = ("sheared-llama-1.3b", "llama-2-7b", "llama-3-8b", "mistral-7b")


@pytest.mark.parametrize("objective", OBJECTIVE_NAMES)
@pytest.mark.parametrize("name", config_names())
def test_every_configuration_that_comes_along_is_whole(name, objective):
    recipe = read_recipe(name, objective)
    assert recipe.base.partition(":")[0] in PRESETS
    base, adapters, _ = recipe.source()
    assert base == PRESETS[recipe.base.partition(":")[0]].base
    assert bool(adapters) == (":" in recipe.base)
    assert make_objective(objective, recipe.options).name == objective


def test_the_models_of_the_recipe_are_there():
    assert set(config_names()) == {"mini", "smollm2", "smollm2-135m", "qwen3-0.6b", *PUBLISHED}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_constants(name):
    mntp, simcse, supervised = (read_recipe(name, objective) for objective in OBJECTIVE_NAMES)
    for recipe in (mntp, simcse, supervised):
        training = recipe.training
        assert (training.steps, training.lora_rank, training.lora_alpha, training.lora_dropout) == (1000, 16, 32, 0.05)
        assert recipe.load == {"dtype": "bfloat16"} and training.bidirectional
    assert (mntp.training.batch_size, mntp.training.max_length, mntp.data.packed) == (32, 512, True)
    assert mntp.options["mask_probability"] == (0.8 if name == "mistral-7b" else 0.2)
    assert (simcse.training.batch_size, simcse.training.max_length, simcse.training.learning_rate) == (128, 128, 3e-5)
    assert (simcse.options["attention_dropout"], simcse.options["scale"]) == (0.3, 20.0)
    training = supervised.training
    assert (training.batch_size, training.max_length, training.learning_rate, training.warmup_steps) == (
        64,
        512,
        2e-4,
        300,
    )
    assert supervised.options["scale"] == 50.0 and training.same_task_batches
    assert all("LLM2Vec-" in recipe.source()[1][0] for recipe in (simcse, supervised))


def test_a_file_and_what_goes_before_it(tmp_path):
    settings = {
        "base": "mini:causal",
        "training": {"steps": 7, "lora_targets": ["q_proj"]},
        "simcse": {"training": {"learning_rate": 1}, "objective": {"scale": 30.0}},
        "mntp": {"training": {"steps": 9}},
    }
    file = tmp_path / "own.json"
    file.write_text(json.dumps(settings))
    recipe = read_recipe(file, "simcse", {"training": {"steps": 8}, "data": {"path": "x.txt"}})
    assert recipe.training == TrainingConfig(steps=8, learning_rate=1, lora_targets=("q_proj",))
    assert (recipe.options, recipe.data.path) == ({"scale": 30.0}, "x.txt")
    assert recipe.source() == (BUNDLED.base, (), {})
    assert read_recipe(file, "mntp").training.steps == 9
    assert read_recipe(None, "mntp", {"base": "some/model"}).source()[0] == "some/model"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base = ", r"own\.toml is no toml"),
        ("[training]\nsteps = 3", "no base model"),
        ('base = "mini"\nbatch = 3', "unknown setting 'batch'"),
        ('base = "mini"\n[training]\nstep = 3', "unknown setting 'step' under training"),
        ('base = "mini"\n[training]\nsteps = "3"', "steps under training is '3'; expected int"),
        ('base = "mini"\n[training]\npatience = "3"', r"patience under training is '3'; expected int \| None"),
        ('base = "mini"\n[data]\nlimit = 1.5', "limit under data is 1.5"),
        ('base = "mini"\n[training]\nsteps = 0', "steps is 0"),
        ('base = "mini"\n[training]\nmixed_precision = "half"', "mixed_precision is 'half'"),
        ('base = "mini"\n[data]\nunit = "word"', "unit is 'word'"),
        ("base = 3", "base is 3; expected the name of a preset"),
        ('base = ["mini"]', r"base is \['mini'\]; expected"),
        ('base = "mini"\nmerge = "mntp"', "merge is 'mntp'; expected a list"),
        ('base = "mini"\ndata = "x.txt"', "data is 'x.txt'; expected a table"),
        ('base = "mini"\nmntp = 3', "mntp is 3; expected a table"),
        ('base = "mini"\n[mntp]\ntraining = 3', "training is 3; expected a table"),
        ('base = "mini"\n[load]\nsize = 3', "unknown option 'size' under load"),
    ],
)
def test_wrong_files_are_named(tmp_path, text, message):
    file = tmp_path / "own.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_recipe(file, "mntp")


def test_wrong_names():
    with pytest.raises(InputError, match=r"no configuration 'huge'; name a file, or one of llama-2-7b"):
        read_recipe("huge", "mntp")
    with pytest.raises(InputError, match="unknown objective 'clm'"):
        read_recipe("mini", "clm")
    with pytest.raises(InputError, match="mntp has no option 'scale'"):
        make_objective("mntp", {"scale": 20.0})
