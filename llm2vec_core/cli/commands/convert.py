"""``convert``: a decoder made bidirectional, proven, and saved."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llm2vec_core.cli.base import Command, say
from llm2vec_core.cli.options import add_model_options, load_encoder
from llm2vec_core.errors import InputError
from llm2vec_core.extras import require

if TYPE_CHECKING:
    from llm2vec_core.bidirectional import PrefixReport
    from llm2vec_core.encoder import LLM2Vec


def _save(encoder: LLM2Vec, folder: Path) -> tuple[str, ...]:
    encoder.save_pretrained(folder)
    return ()


def _export(encoder: LLM2Vec, folder: Path) -> tuple[str, ...]:
    report = encoder.export_sentence_transformers(folder)
    # The export's notes are logged.
    return (f"sentence-transformers gives the same vectors within {report.largest_difference:.1g}",)


# Each writes a folder that is not there yet and returns what its user should know.
SAVERS: dict[str, Callable[[LLM2Vec, Path], tuple[str, ...]]] = {"llm2vec": _save, "sentence-transformers": _export}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_options(parser, positional=True, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="created if it does not exist")
    parser.add_argument(
        "--format",
        choices=tuple(SAVERS),
        default="llm2vec",
        help="llm2vec: for this package and transformers; sentence-transformers: for that library, without our code",
    )
    parser.add_argument(
        "--normalize",
        action="store_true",
        default=None,
        help="store normalisation in the model: every embedding is scaled to length 1",
    )
    parser.add_argument("--force", action="store_true", help="replace an existing model in FOLDER")


def _run(arguments: argparse.Namespace) -> None:
    folder = arguments.out
    _refuse_occupied(folder, arguments.force)
    if arguments.format == "sentence-transformers":  # said before a model is loaded
        require("export", "sentence_transformers", what="--format sentence-transformers")
    encoder = load_encoder(arguments)
    say(arguments, proof(encoder.view(bidirectional=False).prefix_test()))
    if encoder.bidirectional:
        say(arguments, proof(encoder.prefix_test()))
    with _whole_folder(folder) as temporary:
        notes = SAVERS[arguments.format](encoder, temporary)
    say(arguments, *notes)
    print(folder)


def proof(report: PrefixReport) -> str:
    """What a prefix test saw, in one line."""
    layers = len(report.layers)
    seeing = layers - len(report.causal_layers)
    verdict = "bidirectional" if report.is_bidirectional else "causal" if report.is_causal else "partly open"
    return (
        f"prefix test: the last token was changed; an earlier one moved by {report.moved}, "
        f"and {seeing} of {layers} layers let the first token see it: {verdict}"
    )


def _refuse_occupied(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder.name!r} is a file; name a folder")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not force:
        raise InputError(
            f"the folder {folder.name!r} is not empty; choose another, or replace the model in it by --force"
        )
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise InputError(f"the folder {folder.name!r} does not hold a model; --force replaces models only")


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    # Written beside and moved when whole: a full disk leaves no half model, and the old one as it was.
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent)
    except OSError as error:
        raise InputError(
            f"the folder {folder.name!r} cannot be made in {folder.parent.name!r} ({error.strerror}): choose another"
        ) from error
    with place as scratch:
        new, old = Path(scratch) / "new", Path(scratch) / "old"
        try:
            yield new
        except Exception as error:
            if "No space left" in str(error):
                free = shutil.disk_usage(folder.parent).free
                raise InputError(
                    f"the disk is full, so {folder.name!r} was not written ({free / 2**20:,.0f} MiB are free); "
                    "free some space and try again"
                ) from error
            raise
        if folder.exists():
            folder.rename(old)
        new.rename(folder)


COMMAND = Command(
    name="convert",
    usage="MODEL --out FOLDER",
    summary="make a model bidirectional, prove it, save it",
    lesson="Opening the mask changes no weights, only which tokens each token can see. The prefix test proves it:\n"
    "change a text's last word, and see whether the vectors of the words before it move.",
    examples=(
        "convert mini --out my-encoder",
        "convert mini:mntp --pooling-mode weighted_mean --out my-encoder --force",
    ),
    add_arguments=_add_arguments,
    run=_run,
)
