"""An encoder on the Hugging Face Hub: written, proven, described by a model card, uploaded.

The card says what was measured on the very encoder that is pushed (the prefix test), and its code runs.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from huggingface_hub import HfApi, ModelCardData
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id

from llm2vec_core.arguments import check_arguments
from llm2vec_core.errors import HubError, InputError
from llm2vec_core.export import export_sentence_transformers
from llm2vec_core.export.prompts import exported_tokenizer
from llm2vec_core.writing import MODEL_FILES, check_shard_size

if TYPE_CHECKING:
    from llm2vec_core.bidirectional import PrefixReport
    from llm2vec_core.encoder import LLM2Vec

Format = Literal["sentence-transformers", "llm2vec"]
FORMATS: tuple[str, ...] = get_args(Format)
CARD_FILE = "README.md"

POOLING_MEANING = {
    "mean": "the average of the tokens",
    "weighted_mean": "the average of the tokens, the n-th weighing n",
    "last_token": "the last token",
    "first_token": "the first token",
}
EXAMPLE_TEXTS = ("The boat lay at the bank of the river.", "The bank lent them the money.")


@dataclass(frozen=True)
class CardFacts:
    """What only the pusher of a model knows about it.

    Attributes:
        license: SPDX identifier, as the Hub knows it ("apache-2.0"); the base model's licence binds.
        base_model: Hub id of the model that this one was made from; by default the encoder's name if it
            looks like one.
        language: codes of the languages it was trained on ("en").
        datasets: Hub ids of the training data.
        description: a paragraph of your own, Markdown.
    """

    license: str | None = None
    base_model: str | None = None
    language: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    description: str = ""


def push_to_hub(
    encoder: LLM2Vec,
    repo_id: str,
    *,
    format: Format = "sentence-transformers",  # noqa: A002 - the word that users look for
    prompts: Mapping[str, str] | None = None,
    normalize: bool | None = None,
    facts: CardFacts | None = None,
    private: bool = True,
    token: str | None = None,
    commit_message: str = "Upload text encoder",
    max_shard_size: str = "5GB",
) -> str:
    """Upload an encoder with a model card.

    Who asks and whether the Hub can be reached is checked first; the folder is written and (as
    sentence-transformers) proven in a temporary folder before a repository is made. A model that the repository
    has is replaced, as :meth:`LLM2Vec.save_pretrained` does in a folder; other files stay.

    Args:
        encoder: what is uploaded.
        repo_id: "user/name" or "organisation/name".
        format: "sentence-transformers" for :func:`export_sentence_transformers`, which both packages
            read, or "llm2vec" for :meth:`LLM2Vec.save_pretrained`.
        prompts: by name, instructions to store, beside the encoder's own prompts.
        normalize: scale embeddings to length 1; by default as the encoder's setting says.
        facts: what the card shall say beyond what can be measured.
        private: whether a repository that is made now is visible to you alone.
        token: write token; by default the one of ``hf auth login`` or the environment's HF_TOKEN.
        commit_message: of the one commit.
        max_shard_size: largest weight file, as transformers understands it.

    Returns:
        The commit's address.

    Raises:
        InputError: if ``repo_id`` or ``format`` cannot be, or ``prompts`` is malformed.
        ExportError: if the encoder cannot be expressed in the format.
        HubError: if the Hub cannot be reached or refuses.

    Example:
        >>> from llm2vec_core.encoder import LLM2Vec
        >>> from llm2vec_core.presets import BUNDLED
        >>> push_to_hub(LLM2Vec.from_pretrained(BUNDLED.base), "my encoder")
        Traceback (most recent call last):
        llm2vec_core.errors.InputError: 'my encoder' is no name for a repository: ...
    """
    check_arguments(push_to_hub, locals())
    check_shard_size(max_shard_size)
    _check_request(repo_id, format)
    normalize = encoder.settings.normalize if normalize is None else normalize
    api = HfApi(token=token)
    with _hub_errors(repo_id):
        api.whoami()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "model"
        notes: tuple[str, ...] = ()
        if format == "llm2vec":
            stored, notes = _with_stored(encoder, prompts or {}, normalize)
            stored.save_pretrained(folder, max_shard_size=max_shard_size)
        else:
            notes = export_sentence_transformers(
                encoder, folder, prompts=prompts, normalize=normalize, max_shard_size=max_shard_size
            ).notes
        write_model_card(
            encoder,
            folder,
            repo_id=repo_id,
            format=format,
            prompts=prompts,
            normalize=normalize,
            facts=facts,
            notes=notes,
        )
        with _hub_errors(repo_id):
            api.create_repo(repo_id, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                commit_message=commit_message,
                # Shards or a layout of an earlier upload would win over the new files.
                delete_patterns=list(MODEL_FILES),
            )
    return str(commit.commit_url)


def write_model_card(
    encoder: LLM2Vec,
    folder: str | Path,
    *,
    repo_id: str | None = None,
    format: Format = "sentence-transformers",  # noqa: A002
    prompts: Mapping[str, str] | None = None,
    normalize: bool = False,
    facts: CardFacts | None = None,
    notes: tuple[str, ...] = (),
) -> Path:
    """Write README.md for an encoder: what it is, how it reads (measured now), and code that runs.

    Args:
        encoder: what the folder holds.
        folder: where the card goes; it must exist.
        repo_id: what the code loads; by default the folder's own path.
        format: how the encoder was written.
        prompts: by name, the instructions stored with it.
        normalize: whether embeddings have length 1.
        facts: what cannot be measured.
        notes: of the export's report.

    Returns:
        The file.

    Raises:
        InputError: if ``folder`` is no folder.

    Example:
        >>> from llm2vec_core.encoder import LLM2Vec
        >>> from llm2vec_core.presets import BUNDLED
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     card = write_model_card(LLM2Vec.from_pretrained(BUNDLED.base), folder, repo_id="me/mini").read_text()
        >>> card.splitlines()[0], "# mini" in card, "bidirectional" in card
        ('---', True, True)
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder.name!r} to write a model card into")
    facts = facts or CardFacts()
    prompts = {name: text.strip() for name, text in (prompts or {}).items() if text.strip()}
    source = repo_id or str(folder)
    sections = [
        f"---\n{_front_matter(encoder, format, facts).to_yaml()}\n---",
        f"# {Path(source).name}",
        _what_it_is(encoder, facts),
        facts.description.strip(),
        "## How it reads",
        _how_it_reads(encoder),
        "## Settings",
        _settings(encoder, prompts, normalize, notes),
        "## Use",
        _code(encoder, source, format, prompts, normalize),
    ]
    card = folder / CARD_FILE
    card.write_text("\n\n".join(section for section in sections if section) + "\n", encoding="utf-8")
    return card


def _with_stored(encoder: LLM2Vec, instructions: Mapping[str, str], normalize: bool) -> tuple[LLM2Vec, tuple[str, ...]]:
    """The encoder with instructions among its stored prompts, pooled as the instructions are."""
    prompts = {name: f"{text.strip()} " for name, text in instructions.items() if text.strip()}
    stored = copy.copy(encoder.with_settings(prompts={**encoder.prompts, **prompts}, normalize=normalize))
    notes: tuple[str, ...] = ()
    if prompts:
        stored.tokenizer, notes = exported_tokenizer(encoder, instructions)
    return stored, notes


def _check_request(repo_id: str, format: str) -> None:  # noqa: A002
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(
            f"{repo_id!r} is no name for a repository: write 'user/name' with letters, digits, '-', '_' and '.', "
            "at most 96 characters"
        ) from error
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; choose one of {', '.join(FORMATS)}")


@contextmanager
def _hub_errors(repo_id: str) -> Iterator[None]:
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise HubError("the Hub is switched off here: unset HF_HUB_OFFLINE to upload") from error
    except LocalTokenNotFoundError as error:
        raise HubError("nobody is logged in: run 'hf auth login', set HF_TOKEN, or pass token=...") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise HubError(
                f"the Hub refused this token for {repo_id!r} ({status}): it needs write access, and the first part "
                "of the name must be you or an organisation of yours"
            ) from error
        raise HubError(f"the Hub answered {status} for {repo_id!r}: {error.server_message or error}") from error
    except Exception as error:
        # The network's own errors: their classes belong to whatever client the Hub's library uses.
        raise HubError(
            f"the upload to {repo_id!r} did not succeed ({type(error).__name__}: {error}); "
            "check the network and call again, what was uploaded already is not sent twice"
        ) from error


def _front_matter(encoder: LLM2Vec, format: Format, facts: CardFacts) -> ModelCardData:  # noqa: A002
    plain = format == "sentence-transformers"
    tags = ["llm2vec", "text-embeddings", "feature-extraction"]
    return ModelCardData(
        library_name="sentence-transformers" if plain else "llm2vec_core",
        pipeline_tag="sentence-similarity" if plain else "feature-extraction",
        tags=["sentence-transformers", *tags] if plain else tags,
        base_model=facts.base_model or _hub_name(encoder.name),
        license=facts.license,
        language=list(facts.language) or None,
        datasets=list(facts.datasets) or None,
    )


def _hub_name(name: str) -> str | None:
    try:
        validate_repo_id(name)
    except HFValidationError:
        return None
    return name if "/" in name else None


def _what_it_is(encoder: LLM2Vec, facts: CardFacts) -> str:
    base = facts.base_model or _hub_name(encoder.name) or Path(encoder.name).name
    parameters = sum(tensor.numel() for tensor in encoder.model.parameters())
    return (
        f"A text encoder made from the decoder-only language model `{base}` ({encoder.model.config.model_type}, "
        f"{parameters:,} parameters) in the manner of LLM2Vec (BehnamGhader et al., 2024): each text becomes one "
        f"vector of {encoder.hidden_size} numbers, and texts are compared by the cosine of their vectors."
    )


def _how_it_reads(encoder: LLM2Vec) -> str:
    report = encoder.prefix_test()
    return (
        f"{_verdict(report)} Measured on these weights by exchanging the last of a few tokens:\n\n"
        "| measured | largest change, relative to the vector's length |\n|---|---|\n"
        f"| last hidden state of any earlier token | {report.end_to_end:.3g} |\n"
        f"| first token in the layer that changes least (of {len(report.layers)}) | {min(report.layers):.3g} |\n"
        f"| counts as none up to | {report.tolerance:.3g} |"
    )


def _verdict(report: PrefixReport) -> str:
    if report.is_bidirectional:
        return "It reads **bidirectionally**: every token sees the whole text, in every layer."
    if report.is_causal:
        return "It reads **causally**: each token sees only what came before it."
    return "It reads bidirectionally in some layers and causally in others."


def _settings(encoder: LLM2Vec, prompts: Mapping[str, str], normalize: bool, notes: tuple[str, ...]) -> str:
    settings = encoder.settings
    begin = "is pooled unless an instruction stands in front"
    if settings.skip_begin_token:
        begin = "is not pooled"
    elif not settings.skip_instruction:
        begin = "is pooled"
    rows = {
        "pooling": f"{settings.pooling_mode}: {POOLING_MEANING.get(settings.pooling_mode, settings.pooling_mode)}",
        "begin token": begin,
        "longest text": f"{settings.max_length} tokens, longer ones lose their end",
        "length of a vector": "1" if normalize else "as it comes; compare by cosine",
        "instruction": "stands in front of the text, one blank between; "
        + ("its tokens are read and not pooled" if settings.skip_instruction else "its tokens are pooled as well"),
        "weights": str(encoder.model.dtype).removeprefix("torch."),
    }
    lines = ["| setting | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    if prompts:
        lines += ["", "Instructions stored by name:", "", "```json"]
        lines += [json.dumps(dict(prompts), ensure_ascii=False, indent=1), "```"]
    if notes:
        lines += ["", *(f"- {note[0].upper()}{note[1:]}." for note in notes)]
    return "\n".join(lines)


def _code(
    encoder: LLM2Vec,
    source: str,
    format: Format,  # noqa: A002
    prompts: Mapping[str, str],
    normalize: bool,
) -> str:
    ours = [
        "from llm2vec_core import LLM2Vec",
        "",
        f"encoder = LLM2Vec.from_pretrained({source!r})",
        f"texts = {list(EXAMPLE_TEXTS)!r}",
        f"embeddings = encoder.encode(texts{', normalize=True' if normalize else ''})",
        f"print(embeddings.shape)  # ({len(EXAMPLE_TEXTS)}, {encoder.hidden_size})",
    ]
    theirs = [
        "from sentence_transformers import SentenceTransformer",
        "",
        f"model = SentenceTransformer({source!r})",
        f"texts = {list(EXAMPLE_TEXTS)!r}",
        "embeddings = model.encode(texts)",
        "print(model.similarity(embeddings, embeddings))",
    ]
    for name, instruction in list(prompts.items())[:1]:
        ours.append(f"asked = encoder.encode(texts, {instruction!r}{', normalize=True' if normalize else ''})")
        theirs.append(f"asked = model.encode(texts, prompt_name={name!r})")
    blocks = [_fenced("With this project's package:", ours)]
    if format == "sentence-transformers":
        blocks.insert(0, _fenced("With sentence-transformers alone (`pip install sentence-transformers`):", theirs))
    return "\n\n".join(blocks)


def _fenced(title: str, lines: list[str]) -> str:
    body = "\n".join(lines)
    return f"{title}\n\n```python\n{body}\n```"
