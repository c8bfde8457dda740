"""An adapter as a download, one archive that PEFT and this project load; and back again as an upload."""

from __future__ import annotations

import io
import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm2vec_core.errors import AdapterError, InputError
from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.tabs.train import copy
from llm2vec_core.ui.tabs.train.code import loading_snippet, peft_snippet
from llm2vec_core.ui.tabs.train.run import Progress

FOLDER = "my-adapter"
CONFIG_FILE, WEIGHTS_FILE, REPORT_FILE = "adapter_config.json", "adapter_model.safetensors", "training.json"
WANTED = f"upload the archive you downloaded here, or {CONFIG_FILE} and {WEIGHTS_FILE}"
# What a damaged archive, or one of an unusual kind, makes the library raise.
_ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, OSError, ValueError,
    OverflowError, struct.error,
)  # fmt: skip
# A file that says when it was made would differ each time.
_TIME = (2020, 1, 1, 0, 0, 0)


def adapter_archive(progress: Progress, preset: ModelPreset, description: str) -> bytes:
    """The adapter of a run as a zip archive with one folder.

    Args:
        progress: of a run that has ended with at least one step.
        preset: the model.
        description: how it was trained, in a few words.
    """
    with tempfile.TemporaryDirectory(prefix="adapter-") as place:
        folder = Path(place)
        progress.training.save(folder, **progress.report())
        files: dict[str, Any] = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
    files["README.md"] = readme(progress, preset, description).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(zipfile.ZipInfo(f"{FOLDER}/{name}", _TIME), data, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def readme(progress: Progress, preset: ModelPreset, description: str) -> str:
    """What the adapter is, how it is loaded, and under which terms."""
    stage = preset.stage(progress.settings.start)
    pooling = progress.encoder.pooling_mode
    return f"""# A LoRA adapter for {preset.label}

{description}, on {progress.data.name}. It was trained on top of the stage
"{stage.label}"{_beneath(len(stage.adapters))}. The settings of the run and its measurements are in training.json.

## With llm2vec_core

```python
{loading_snippet(preset, stage.key, FOLDER, pooling)}```

## With transformers and PEFT alone

```python
{peft_snippet(preset, stage.key, FOLDER)}```

## Licence

{copy.LICENCE.format(license=preset.license)}
"""


def _beneath(adapters: int) -> str:
    return f", which already has {adapters} adapter{'s' if adapters > 1 else ''} merged" if adapters else ""


@contextmanager
def uploaded_parts(files: Sequence[str], most_bytes: int) -> Iterator[dict[str, Path]]:
    """The parts of an uploaded adapter by name, for as long as the context lasts.

    Of an archive only the members with these names are read, wherever they lie in it, and none is written to a place
    that the archive names.

    Args:
        files: uploaded; told apart by their names.
        most_bytes: that one part of an archive may unpack to.

    Raises:
        InputError: if a part is missing, or there is a file that nobody asked for.
        AdapterError: if an archive cannot be read, is too large unpacked, or holds a part twice.
    """
    with tempfile.TemporaryDirectory(prefix="adapter-") as place:
        found: dict[str, Path] = {}
        for file in map(Path, files):
            if file.suffix.lower() == ".zip":
                found |= _unpacked(file, Path(place), most_bytes)
            elif file.name in (CONFIG_FILE, WEIGHTS_FILE, REPORT_FILE):
                found[file.name] = file
            else:
                raise InputError(f"{file.name:.60} is not part of an adapter; {WANTED}.")
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if name not in found:
                raise InputError(f"{name} is missing; {WANTED}.")
        yield found


def _unpacked(file: Path, place: Path, most_bytes: int) -> dict[str, Path]:
    found: dict[str, Path] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                name = member.filename.replace("\\", "/").rpartition("/")[2]
                if name not in (CONFIG_FILE, WEIGHTS_FILE, REPORT_FILE):
                    continue
                if name in found:
                    raise AdapterError(f"{file.name:.60} contains {name} twice; pack a single adapter.")
                with archive.open(member) as opened:
                    # What the archive says of its sizes is not believed: reading ends one byte too late to be allowed.
                    data = opened.read(most_bytes + 1)
                if len(data) > most_bytes:
                    raise AdapterError(f"{name} in {file.name:.60} unpacks to more than {most_bytes / 1e6:.0f} MB.")
                found[name] = place / name
                found[name].write_bytes(data)
    except AdapterError:  # a ValueError too; it has said what is wrong
        raise
    except _ZIP_ERRORS as error:
        raise AdapterError(f"{file.name:.60} is not a readable zip archive ({error!s:.80}).") from error
    return found
