"""What lies in a folder or a Hub repository, found out without running anything from it.

People have models in several layouts, and each is read here into one :class:`Checkpoint`:

- a plain causal language model (``config.json`` and safetensors);
- a PEFT adapter, whose ``adapter_config.json`` names the base it belongs to, which may be an adapter again
  (the published ``LLM2Vec-*-mntp``, ``...-mntp-supervised`` and ``...-mntp-unsup-simcse`` repositories);
- a sentence-transformers folder (``modules.json``);
- a GGUF file, or a folder with one;
- a folder that :meth:`llm2vec_core.encoder.LLM2Vec.save_pretrained` wrote.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, model_info, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from llm2vec_core.aliases import alias_settings, direction, reads_flag
from llm2vec_core.config_numbers import no_json, refuse_huge
from llm2vec_core.dense import DENSE_FILE, DenseLayer, read_dense, read_dense_module
from llm2vec_core.errors import AdapterError, ModelError
from llm2vec_core.settings import SETTINGS_FILE, read_settings
from llm2vec_core.st_folders import read_st_folder

logger = logging.getLogger(__name__)

_HUB: ContextVar[dict[str, Any]] = ContextVar("hub access", default={})  # noqa: B039 - never changed
# Longer chains of adapters on adapters than this are a circle.
MAX_CHAIN = 8
_GGUF_PART = re.compile(r"-\d{5}-of-\d{5}(?=\.gguf$)", re.IGNORECASE)
# The published package names its model classes so; an adapter trained on one keeps the name.
_PUBLISHED_CLASS = re.compile(r"(Bi|Encoder)Model$|BiForMNTP$")
# The published supervised and SimCSE adapters stand on the MNTP adapter of the same name.
_ON_MNTP = re.compile(r"(?P<mntp>.+-mntp)-(supervised|unsup-simcse)/?$")
# What the published package assumes where its folder says nothing, and the forms it chooses by the base's name.
_PUBLISHED_SETTINGS = {"bidirectional": True, "max_length": 512, "doc_max_length": 400, "skip_begin_token": True}
_PUBLISHED_TEMPLATES = {
    "meta-llama/Meta-Llama-3-8B-Instruct": "llama-3-instruct",
    "mistralai/Mistral-7B-Instruct-v0.2": "mistral-instruct",
    "meta-llama/Llama-2-7b-chat-hf": "llama-2-chat",
    "google/gemma-2-9b-it": "gemma-2-instruct",
    "Qwen/Qwen2-1.5B-Instruct": "qwen-instruct",
    "Qwen/Qwen2-7B-Instruct": "qwen-instruct",
}


@dataclass(frozen=True)
class Checkpoint:
    """Where the parts of an encoder lie.

    Attributes:
        base: folder or Hub id of the model with the weights.
        adapters: folders or Hub ids of the PEFT adapters on it, in the order in which they are merged.
        tokenizer: folder or Hub id with the tokenizer.
        settings: what the folders say about reading and pooling, by the names of
            :class:`llm2vec_core.settings.EncoderSettings`.
        revision: of the source; the parts that it points to have their own.
        gguf_file: name of the file with the base's weights, if they are GGUF.
        direction_known: whether config.json says in which direction the model is read where it was published.
        tokenizer_limit: tokens that a sentence-transformers folder's tokenizer lets through, which limits texts where
            no setting does; the model's context limits them further.
        lower_case: whether letters are lowered before tokenising (a switch of sentence-transformers).
        dense: layers behind pooling.
    """

    base: str
    adapters: tuple[str, ...] = ()
    tokenizer: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    revision: str | None = None
    gguf_file: str | None = None
    direction_known: bool = True
    tokenizer_limit: int | None = None
    lower_case: bool = False
    dense: tuple[DenseLayer, ...] = ()


def resolve(
    source: str | Path, adapters: tuple[str, ...] = (), revision: str | None = None, gguf_file: str | None = None
) -> Checkpoint:
    """Find out what a folder or Hub id holds, and where everything it needs lies.

    Args:
        source: folder or Hub id in any of the layouts above.
        adapters: more adapters, merged after those that the source brings.
        revision: of the source on the Hub.
        gguf_file: name of the GGUF file in the source, where it holds several.

    Raises:
        ModelError: if there is no such folder or repository, it is gated, or its files are of no known layout.
        AdapterError: if adapters name each other in a circle or name no base.

    Example:
        >>> from llm2vec_core.presets import BUNDLED
        >>> resolve(BUNDLED.stage("simcse").adapters[0], revision=None).base == BUNDLED.base
        True
    """
    source = str(source)
    try:
        Path(source).is_dir()
    except (OSError, ValueError) as error:  # a name that is too long, say
        raise ModelError(
            f"{source[:60]!r} is neither a folder here nor a Hub id (owner/name): {error.args[-1]}"
        ) from error
    if Path(source).is_file() and not _names_gguf(source):
        raise ModelError(f"{shown(source)} is a file; a model is a folder, a .gguf file, or a Hub id (owner/name)")
    if gguf_file is None and _names_gguf(source):
        source, gguf_file = str(Path(source).parent), Path(source).name
    if gguf_file is not None:
        checkpoint = Checkpoint(source, settings=_settings_of(source, revision))
    elif find_file(source, "modules.json", revision):
        checkpoint = _sentence_transformers(source, revision)
    else:
        checkpoint = _on_st_folder(_chain(source, revision))
    settings = dict(checkpoint.settings)
    for adapter in map(str, adapters):
        settings |= _settings_of(adapter, None)
    every = checkpoint.adapters + tuple(map(str, adapters))
    for place in {checkpoint.base, checkpoint.tokenizer or checkpoint.base, *every}:
        _refuse_special_files(Path(place))
    if any(_is_published(adapter) for adapter in every):
        settings = _published_settings(checkpoint.base) | settings
    base_revision = revision if checkpoint.base == source else None
    config = _config_of(checkpoint.base, base_revision)
    settings = alias_settings(config) | direction(config).settings | settings
    return Checkpoint(
        checkpoint.base,
        every,
        checkpoint.tokenizer or checkpoint.base,
        settings,
        revision,
        gguf_file or choose_gguf(_file_names(checkpoint.base, base_revision), shown(checkpoint.base)),
        direction(config).bidirectional is not None,
        checkpoint.tokenizer_limit,
        checkpoint.lower_case,
        checkpoint.dense or read_dense(find_file(source, DENSE_FILE, revision)),
    )


@contextmanager
def hub_access(*, token: str | bool | None = None, cache_dir: str | Path | None = None) -> Iterator[None]:
    """Within it, everything that is fetched from the Hub is fetched with this token and cached there.

    Example:
        >>> with hub_access(cache_dir="here"):
        ...     hub_options()
        {'cache_dir': 'here'}
    """
    given = {"token": token, "cache_dir": None if cache_dir is None else str(cache_dir)}
    reset = _HUB.set({name: value for name, value in given.items() if value is not None})
    try:
        yield
    finally:
        _HUB.reset(reset)


def hub_options() -> dict[str, Any]:
    """Keywords for the Hub's functions; see :func:`hub_access`."""
    return dict(_HUB.get())


def folder_of(source: str | Path, subfolder: str, revision: str | None = None) -> str:
    """A subfolder of a folder, or of a Hub repository, downloaded if need be.

    Raises:
        ModelError: if there is no such folder or repository, or the subfolder leads out of it.
    """
    if Path(subfolder).is_absolute() or ".." in Path(subfolder).parts:
        raise ModelError(f"subfolder {subfolder!r} leads out of {shown(source)}")
    place = Path(source)
    if not place.is_dir():
        names = (f"{subfolder}/{name}" for name in ("config.json", "adapter_config.json", "modules.json"))
        if not any(find_file(str(source), name, revision) for name in names):
            raise ModelError(f"{shown(source)} has no model in the subfolder {subfolder!r}")
        place = Path(
            snapshot_download(str(source), revision=revision, allow_patterns=f"{subfolder}/*", **hub_options())
        )
    if not (place / subfolder).is_dir():
        raise ModelError(f"{shown(source)} has no subfolder {subfolder!r}")
    return str(place / subfolder)


def _names_gguf(source: str) -> bool:
    """Whether a source is a GGUF file, by its name or (in other programs' stores) by its first bytes."""
    path = Path(source)
    if source.lower().endswith(".gguf") or not path.is_file():
        return source.lower().endswith(".gguf") and not path.is_dir()
    try:
        with path.open("rb") as file:
            return file.read(4) == b"GGUF"
    except OSError:
        return False


def choose_gguf(names: Sequence[str], source: str) -> str | None:
    """The one GGUF model among the names of a folder's or repository's files, if that is where its weights are.

    Raises:
        ModelError: if there are several.

    Example:
        >>> choose_gguf(["README.md", "model.Q8_0.gguf", "mmproj-model.gguf"], "'owner/model'")
        'model.Q8_0.gguf'
    """
    if any(name.endswith((".safetensors", ".bin", ".pt", ".pth")) and not name.startswith("adapter") for name in names):
        return None
    # Beside the language model lie a projector, which turns images into embeddings, and a quantization's statistics.
    found = sorted(
        name for name in names
        if name.lower().endswith(".gguf") and not any(other in name.lower() for other in ("mmproj", "imatrix"))
    )  # fmt: skip
    if len(found) > 1 and len({_GGUF_PART.sub("", name) for name in found}) == 1:
        raise ModelError(
            f"{source} holds a GGUF model in {len(found)} parts, {found[0]} among them: join them first "
            "(llama-gguf-split --merge)"
        )
    if len(found) > 1:
        raise ModelError(f"{source} holds {len(found)} GGUF files: choose one with gguf_file, {', '.join(found)}")
    return found[0] if found else None


def _config_of(base: str, revision: str | None) -> dict[str, Any]:
    """config.json as it stands; empty where there is none, or it cannot be read: the loader says so."""
    file = find_file(base, "config.json", revision)
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _file_names(source: str, revision: str | None) -> list[str]:
    folder = Path(source)
    if folder.is_dir():
        return [file.name for file in folder.iterdir()]
    if find_file(source, "config.json", revision):
        return []
    try:
        return [
            file.rfilename
            for file in model_info(source, revision=revision, token=hub_options().get("token")).siblings or ()
        ]
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError):
        return []  # offline: what is missing is named by whoever needs it


def find_file(source: str, name: str, revision: str | None = None) -> Path | None:
    """A file of a folder or Hub repository, downloaded if need be; None if there is no such file.

    Raises:
        ModelError: if the folder or repository itself cannot be reached; the message says what to do.
    """
    folder = Path(source)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    try:
        return Path(hf_hub_download(source, name, revision=revision, **hub_options()))
    except GatedRepoError as error:
        raise ModelError(
            f"{source!r} is gated: accept its licence on its page on the Hub, then log in with `hf auth login` "
            "(or set HF_TOKEN) and try again"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(
            f"{source!r} has no revision {revision!r} on the Hub: look at its branches and tags"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no folder and no public Hub repository {shown(source)}: check the name; for a private "
            "one log in "
            "with `hf auth login`"
        ) from error
    except HFValidationError as error:
        raise ModelError(
            f"{shown(source)} is neither a folder here nor a Hub id (owner/name): check the path or the name"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        if not _is_cached(source, revision):
            # Each further request would wait for the Hub again.
            raise _out_of_reach(source) from error
        return None
    except EntryNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"the Hub did not answer for {source!r} ({type(error).__name__}): try again later") from error


def require_file(source: str, name: str, revision: str | None = None) -> Path:
    """As :func:`find_file`, for a file that has to be there.

    Raises:
        ModelError: also if there is none; the message says whether the Hub could not be reached.
    """
    file = find_file(source, name, revision)
    if file is not None:
        return file
    if Path(source).is_dir():
        inside = sorted(place.name for place in Path(source).iterdir() if place.is_dir() and _holds_a_model(place))
        why = (
            f"choose one of its subfolders with subfolder=, {', '.join(inside[:9])}"
            if inside
            else ("it is no transformers model (an unfinished download?)")
        )
        raise ModelError(f"the folder {shown(source)} has no {name}: {why}")
    raise _out_of_reach(source, name)


def shown(name: str | Path) -> str:
    """How a message names a source: a folder by its last part (it may reach a visitor), a Hub id whole.

    Example:
        >>> shown("owner/model")
        "'owner/model'"
    """
    path = Path(name)
    local = path.is_absolute() or path.exists() or str(name).startswith((".", "~"))
    return repr(path.name if local else str(name))


def _refuse_special_files(folder: Path) -> None:
    # A pipe or a device would be waited for, or read as a file that is not there.
    for file in folder.iterdir() if folder.is_dir() else ():
        if file.exists() and not (file.is_file() or file.is_dir()):
            raise ModelError(f"{file.name} in {folder.name!r} is no file but a pipe, a socket or a device")


def _is_cached(source: str, revision: str | None) -> bool:
    """Whether anything of a repository was downloaded before: a file that is missing then is simply not in it."""
    names = ("config.json", "adapter_config.json")
    place = hub_options().get("cache_dir")
    return any(isinstance(try_to_load_from_cache(source, name, place, revision), str) for name in names)


def _out_of_reach(source: str, name: str = "its files") -> ModelError:
    return ModelError(
        f"cannot load {source!r} ({name}): the Hub is out of reach, and it is not in the local cache or not in the "
        f"repository. Go online, or download it elsewhere (`hf download {source}`) and give the folder"
    )


def _chain(source: str, revision: str | None) -> Checkpoint:
    """Follow adapters down to the model that has the weights."""
    adapters: list[str] = []
    settings: dict[str, Any] = {}
    tokenizer, current = "", source
    while adapter_config := find_file(current, "adapter_config.json", revision if current == source else None):
        if current in adapters or len(adapters) >= MAX_CHAIN:
            raise AdapterError(f"the adapters of {shown(source)} name each other as base in a circle: {shown(current)}")
        found = _read_json(adapter_config)
        adapters.insert(0, current)
        settings = _settings_of(current, revision if current == source else None) | settings
        if not tokenizer and find_file(current, "tokenizer_config.json", revision if current == source else None):
            tokenizer = current
        current = _base_of(current, found)
    if not adapters:
        return Checkpoint(source, settings=_settings_of(source, revision))
    return Checkpoint(current, tuple(adapters), tokenizer, _settings_of(current, None) | settings)


def _is_published(adapter: str) -> bool:
    """Whether an adapter was trained with the published package, whose conventions then hold."""
    file = find_file(adapter, "adapter_config.json")
    auto = _read_json(file).get("auto_mapping") if file else None
    return isinstance(auto, dict) and bool(_PUBLISHED_CLASS.search(str(auto.get("base_model_class", ""))))


def _published_settings(base: str) -> dict[str, Any]:
    # A copy in a folder keeps the last part of its name; the published package knows none of these.
    by_name = {name.rpartition("/")[2]: template for name, template in _PUBLISHED_TEMPLATES.items()}
    template = _PUBLISHED_TEMPLATES.get(base) or by_name.get(Path(base).name)
    return _PUBLISHED_SETTINGS | ({"template": template} if template else {})


def _base_of(adapter: str, config: dict[str, Any]) -> str:
    named = config.get("base_model_name_or_path")
    if not named or not isinstance(named, str):
        raise AdapterError(
            f"the adapter {shown(adapter)} names no base_model_name_or_path: give the base model, and the "
            "adapter as one of "
            "`adapters`"
        )
    base = _located(named, Path(adapter))
    stacked = _ON_MNTP.match(adapter)
    if stacked:
        # Some of these name the MNTP adapter as their base, some the model below it: it is needed in either case.
        mntp = stacked["mntp"]
        if base != mntp and find_file(mntp, "adapter_config.json"):
            return mntp
    return base


def _located(named: str, adapter: Path) -> str:
    """A base that is named by a relative path lies here, or near its adapter."""
    if Path(named).is_dir() or not adapter.is_dir() or Path(named).is_absolute() or ".." in Path(named).parts:
        return named
    near = (parent / named for parent in adapter.resolve().parents[:3])
    by_name = (parent / Path(named).name for parent in adapter.resolve().parents[:1])
    return next((str(place) for place in (*near, *by_name) if _holds_a_model(place)), named)


def _holds_a_model(place: Path) -> bool:
    """Whether it is a model's or an adapter's folder, and not one that merely has the name."""
    return any((place / name).is_file() for name in ("config.json", "adapter_config.json", "modules.json"))


def _sentence_transformers(source: str, revision: str | None) -> Checkpoint:
    def read(name: str) -> Any:
        file = find_file(source, name, revision)
        return _parse(file) if file else None

    # The settings stand beside the model.
    own = _settings_of(source, revision)
    try:
        found = read_st_folder(read, own, shown(source))
    except (TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"the files of {shown(source)} hold values of another kind than theirs ({error})") from error
    if found.base and Path(source).is_dir() and not (Path(source) / found.base).is_dir():
        raise ModelError(f"modules.json of {shown(source)} names the folder {found.base!r}, which is not there")
    if found.base and not Path(source).is_dir():
        raise ModelError(
            f"{shown(source)} keeps its model in a subfolder ({found.base}): download it and give the folder"
        )
    base = str(Path(source) / found.base) if found.base else source
    below = _chain(base, revision)
    config = _read_json(require_file(below.base, "config.json", revision if below.base == source else None))
    way = direction(config)
    if way.reason == "use_bidirectional_attention" and not reads_flag(config):
        logger.warning(
            "config.json of %s sets use_bidirectional_attention, which transformers' own %s does not read: "
            "sentence-transformers reads the folder causally, and so does this; choose with bidirectional=True",
            shown(source), config.get("model_type"),
        )  # fmt: skip
        way = replace(way, bidirectional=False)
    settings = {"bidirectional": False, **alias_settings(config), **way.settings, **found.settings}
    return Checkpoint(
        below.base,
        below.adapters,
        base,
        settings,
        tokenizer_limit=found.tokenizer_limit,
        lower_case=found.lower_case,
        dense=tuple(
            read_dense_module(lambda name: find_file(source, name, revision), path, normalized, shown(source))
            for path, normalized in found.dense
        ),
    )


def _on_st_folder(checkpoint: Checkpoint) -> Checkpoint:
    """Adapters on a sentence-transformers folder pool and read as their base does, unless they say otherwise."""
    if not checkpoint.adapters or not find_file(checkpoint.base, "modules.json"):
        return checkpoint
    below = _sentence_transformers(checkpoint.base, None)
    return replace(
        below,
        adapters=below.adapters + checkpoint.adapters,
        tokenizer=checkpoint.tokenizer or below.tokenizer,
        settings=below.settings | checkpoint.settings,
    )


def _settings_of(source: str, revision: str | None) -> dict[str, Any]:
    file = find_file(source, SETTINGS_FILE, revision)
    return read_settings(file) if file else {}


def _read_json(file: Path) -> dict[str, Any]:
    found = _parse(file)
    if not isinstance(found, dict):
        raise ModelError(f"{file.name} in {file.parent.name!r} holds no JSON object")
    return found


def _parse(file: Path) -> Any:
    error_type = AdapterError if file.name == "adapter_config.json" else ModelError
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise error_type(
            f"{file.name} in {file.parent.name!r} {no_json(error)}: the download may be unfinished"
        ) from error
    try:
        refuse_huge(found, f"{file.name} in {file.parent.name!r}")
    except ModelError as error:
        raise error_type(str(error)) from error
    return found
