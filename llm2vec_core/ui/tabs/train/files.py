"""An adapter as a download: one archive that PEFT and this project load."""

from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from llm2vec_core.presets import ModelPreset
from llm2vec_core.ui.tabs.train import text
from llm2vec_core.ui.tabs.train.run import Progress
from llm2vec_core.ui.tabs.train.snippet import loading_snippet, peft_snippet

FOLDER = "my-adapter"
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

{description}, on {progress.data.name}. It stands on the stage "{stage.label}"{_beneath(len(stage.adapters))}; the
settings of the run and what was measured are in training.json.

## With llm2vec_core

```python
{loading_snippet(preset, stage.key, FOLDER, pooling)}```

## With transformers and PEFT alone

```python
{peft_snippet(preset, stage.key, FOLDER)}```

## Licence

{text.LICENCE.format(license=preset.license)}
"""


def _beneath(adapters: int) -> str:
    return f", which has {adapters} adapter{'s' if adapters > 1 else ''} of its own beneath" if adapters else ""
