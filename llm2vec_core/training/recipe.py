"""A whole training as one record: base, data, settings, objective; read from a file that flags may override.

A configuration is TOML or JSON. Shared settings stand at the top; a table named after an objective holds what that
objective has of its own::

    base = "sheared-llama-1.3b"     # a preset, one of its stages ("mini:mntp"), a folder or a Hub id
    [load]                          # keyword arguments of LLM2Vec.from_pretrained
    dtype = "bfloat16"
    [mntp.data]                     # DataConfig
    dataset = "Salesforce/wikitext"
    [mntp.training]                 # TrainingConfig
    steps = 1000
    [mntp.objective]                # arguments of the objective
    mask_probability = 0.2

Nothing heavy is imported here: the command line reads the names of its flags from these records.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from llm2vec_core.arguments import check_fields
from llm2vec_core.errors import InputError
from llm2vec_core.presets import PRESETS, find_stage
from llm2vec_core.training.config import TrainingConfig

ObjectiveName = Literal["mntp", "simcse", "supervised"]
CONFIGS = Path(__file__).parent / "configs"
OBJECTIVE_NAMES: tuple[str, ...] = get_args(ObjectiveName)
LOAD_OPTIONS = (
    "dtype", "device", "attn_implementation", "revision", "pooling_mode", "template", "doc_max_length",
    "skip_begin_token", "append_eos", "sliding_window",
)  # fmt: skip
_PARTS = ("base", "merge", "load", "data", "training", "objective")


@dataclass(frozen=True)
class DataConfig:
    """What is trained on.

    ``train --help`` shows these lines too.

    Attributes:
        path: a file, or a folder of files; the alternative to ``dataset``.
        dataset: Hub id or folder of a data set, loaded by the datasets library.
        subset: configuration of the dataset, where it has several.
        split: part of the dataset.
        column: column that holds the texts; those of pairs have fixed names.
        encoding: of a file's bytes, such as cp1251; by default it is detected.
        unit: what texts are cut into: document (not cut), paragraph or sentence.
        packed: join the texts and cut them into rows of ``max_length`` tokens, so that none is padding; for mntp.
        min_characters: leave out shorter units.
        max_characters: leave out longer units; by default none.
        limit: read at most this many texts or pairs.
        task_limit: use at most this many pairs of each task, so that a large one does not drown the others.
        task_limits: by task, another limit for it.
        held_out: how many of the first examples are not trained on but measured on; 0 for none.
        instructions: by task, what stands in front of its queries.
        symmetric_tasks: whose positives and negatives get the instruction too.

    Raises:
        InputError: for a value that does not exist.
    """

    path: str | None = None
    dataset: str | None = None
    subset: str | None = None
    split: str = "train"
    column: str = "text"
    encoding: str | None = None
    unit: Literal["document", "paragraph", "sentence"] = "document"
    packed: bool = False
    min_characters: int = 1
    max_characters: int | None = None
    limit: int = 50_000
    task_limit: int | None = None
    task_limits: Mapping[str, int] = field(default_factory=dict)
    held_out: int = 128
    instructions: Mapping[str, str] = field(default_factory=dict)
    symmetric_tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.unit not in ("document", "paragraph", "sentence"):
            raise InputError(f"unit is {self.unit!r}; choose document, paragraph or sentence")
        for name, least in (("limit", 1), ("task_limit", 1), ("held_out", 0)):
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        for task, most in self.task_limits.items():
            if most < 1:
                raise InputError(f"task_limits gives {task!r} {most} pairs; give at least 1")


@dataclass(frozen=True)
class Recipe:
    """One training, ready to be carried out.

    Attributes:
        objective: which.
        base: a preset's key (its bare model), a stage of one (``"mini:mntp"``), a folder or a Hub id.
        merge: adapters merged into the base first, one after another.
        load: keyword arguments of ``LLM2Vec.from_pretrained``.
        data: what is trained on.
        training: settings of the run.
        options: arguments of the objective.

    Raises:
        InputError: for an objective or a loading option that does not exist.

    Example:
        >>> recipe = read_recipe("sheared-llama-1.3b", "supervised")
        >>> recipe.training.learning_rate, recipe.training.warmup_steps, recipe.options["scale"]
        (0.0002, 300, 50.0)
    """

    objective: str
    base: str
    merge: tuple[str, ...] = ()
    load: Mapping[str, Any] = field(default_factory=dict)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVE_NAMES:
            raise InputError(f"unknown objective {self.objective!r}; choose one of {', '.join(OBJECTIVE_NAMES)}")
        unknown = [name for name in self.load if name not in LOAD_OPTIONS]
        if unknown:
            raise InputError(f"unknown option {unknown[0]!r} under load; choose of {', '.join(LOAD_OPTIONS)}")

    def source(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        """Base, adapters to merge, and loading options, with presets resolved.

        Raises:
            InputError: for a stage that the preset has not.
        """
        key, _, stage_key = self.base.partition(":")
        if key not in PRESETS:
            return self.base, self.merge, dict(self.load)
        preset, stage = find_stage(f"{key}:{stage_key or 'causal'}")
        return preset.base, (*stage.adapters, *self.merge), {**preset.settings, **self.load}


def config_names() -> tuple[str, ...]:
    """The configurations that come along."""
    return tuple(sorted(file.stem for file in CONFIGS.glob("*.toml")))


def read_recipe(
    config: str | Path | None, objective: str, overrides: Mapping[str, Mapping[str, Any] | Any] | None = None
) -> Recipe:
    """Read a configuration.

    Args:
        config: a TOML or JSON file, or the name of a bundled one; None for defaults alone.
        objective: whose table is read.
        overrides: values that go before the file's, nested as in the file (``{"training": {"steps": 5}}``).

    Raises:
        InputError: for a file that is none, an unknown key, or a value out of its range; the message names it.
    """
    settings = _of_objective(_read(config), objective) if config is not None else {}
    settings = _merged(settings, overrides or {})
    if not settings.get("base"):
        raise InputError("no base model is named: give --base, or a configuration that has one")
    _check_parts(settings)
    return Recipe(
        objective,
        settings["base"],
        tuple(settings.get("merge", ())),
        settings.get("load", {}),
        _record(DataConfig, settings.get("data", {}), "data"),
        _record(TrainingConfig, settings.get("training", {}), "training"),
        settings.get("objective", {}),
    )


def _read(config: str | Path) -> dict[str, Any]:
    file = Path(config)
    if not file.is_file() and str(config) in config_names():
        file = CONFIGS / f"{config}.toml"
    if not file.is_file():
        raise InputError(f"there is no configuration {file.name!r}; name a file, or one of {', '.join(config_names())}")
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (ValueError, OSError, RecursionError) as error:  # both parsers' errors are ValueErrors
        raise InputError(f"{file.name} is no {file.suffix[1:] or 'toml'}: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{file.name} holds a {type(found).__name__}; expected named settings")
    return found


def _of_objective(found: dict[str, Any], objective: str) -> dict[str, Any]:
    shared = {name: value for name, value in found.items() if name not in OBJECTIVE_NAMES}
    own = found.get(objective, {})
    if not isinstance(own, Mapping):
        raise InputError(f"{objective} is {own!r:.60}; expected a table of named settings")
    settings = _merged(shared, own)
    unknown = [name for name in settings if name not in _PARTS]
    if unknown:
        raise InputError(f"unknown setting {unknown[0]!r}; a configuration has {', '.join(_PARTS)}")
    return settings


def _check_parts(settings: Mapping[str, Any]) -> None:
    if not isinstance(settings["base"], str):
        raise InputError(f"base is {settings['base']!r:.60}; expected the name of a preset, a folder or a Hub id")
    merge = settings.get("merge", ())
    if not isinstance(merge, (list, tuple)) or not all(isinstance(name, str) for name in merge):
        raise InputError(f"merge is {merge!r:.60}; expected a list of folders or Hub ids")
    for name in ("load", "data", "training", "objective"):
        if not isinstance(settings.get(name, {}), Mapping):
            raise InputError(f"{name} is {settings[name]!r:.60}; expected a table of named settings")


def _merged(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(settings)
    for name, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(name), Mapping)
        result[name] = _merged(result[name], value) if both else value
    return result


def _record(kind: type, values: Mapping[str, Any], where: str) -> Any:
    known = {item.name: item for item in fields(kind)}
    for name, value in values.items():
        if name not in known:
            raise InputError(f"unknown setting {name!r} under {where}; choose of {', '.join(known)}")
        if not _fits(value, str(known[name].type)):
            raise InputError(f"{name} under {where} is {value!r}; expected {known[name].type}")
    return kind(**values)


def _fits(value: Any, kind: str) -> bool:
    """Whether a value is of a field's kind: a text in a number's place would fail far from the file.

    Example:
        >>> _fits(3, "float"), _fits("3", "int | None"), _fits(None, "int | None"), _fits(True, "int")
        (True, False, True, False)
    """
    if value is None:
        return "None" in kind
    if isinstance(value, bool):
        return kind == "bool"
    if isinstance(value, (list, tuple)):
        return kind.startswith("tuple") and all(isinstance(item, str) for item in value)
    if isinstance(value, Mapping):
        return kind.startswith("Mapping")
    if isinstance(value, int):
        return kind.startswith(("int", "float"))
    named = ("str", "Literal", "MixedPrecision", "AdapterDtype")
    return kind.startswith("float" if isinstance(value, float) else named)
