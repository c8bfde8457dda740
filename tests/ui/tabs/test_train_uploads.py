from __future__ import annotations

import io
import json
import random
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from llm2vec_core import InputError
from llm2vec_core.errors import LLM2VecError
from llm2vec_core.presets import ASSETS
from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.session import Session
from llm2vec_core.ui.tabs.train import uploads
from llm2vec_core.ui.tabs.train.files import CONFIG_FILE, WEIGHTS_FILE, uploaded_parts

TEXTS = ["The river rose after the rain.", "It rained."]
LIMITS = Limits()


MNTP = ASSETS / "adapters" / "llm2vec-mini" / "mntp"
CONFIG, WEIGHTS = ((MNTP / name).read_bytes() for name in (CONFIG_FILE, WEIGHTS_FILE))


def archive(folder: Path, members: list[tuple[str, bytes]]) -> str:
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "up.zip", "w", zipfile.ZIP_DEFLATED) as opened:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, data in members:
            opened.writestr(name, data)
    return str(folder / "up.zip")


@pytest.mark.parametrize("place", ["", "my-adapter/", "../../../", "/etc/", "..\\..\\"])
def test_an_archive_is_an_upload_whatever_paths_it_names(context, tmp_path, place):
    before = set(tmp_path.rglob("*"))
    file = archive(
        tmp_path,
        [(place + CONFIG_FILE, CONFIG), (place + WEIGHTS_FILE, WEIGHTS), (place + "evil.py", b"raise SystemExit")],
    )
    session = Session()
    assert uploads.load(context, session, [file], "bidirectional").changed
    assert np.abs(session.encoder.encode(TEXTS) - context.encoder("mntp").encode(TEXTS)).max() < 1e-4
    assert set(tmp_path.rglob("*")) - before == {Path(file)}


def other(**changes) -> bytes:
    return json.dumps(json.loads(CONFIG) | changes).encode()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "adapter_config.json is missing; upload the archive you downloaded here"),
        ([(CONFIG_FILE, CONFIG), ("adapter_model.bin", b"\x80\x04cposix\nsystem")], "safetensors is missing"),
        ([(CONFIG_FILE, CONFIG), (WEIGHTS_FILE, b"\x80\x04cposix\nsystem")], "damaged or no safetensors"),
        ([(CONFIG_FILE, b"{"), (WEIGHTS_FILE, WEIGHTS)], "is no JSON"),
        (
            [("a/" + CONFIG_FILE, CONFIG), ("b/" + CONFIG_FILE, CONFIG), (WEIGHTS_FILE, WEIGHTS)],
            r"^\S+ contains adapter_config.json twice",
        ),
        (
            [(CONFIG_FILE, CONFIG), (WEIGHTS_FILE, b"0" * (LIMITS.adapter_bytes + 1))],
            r"^\S+ in \S+ unpacks to more than 67 MB",
        ),
        ([(CONFIG_FILE, other(r=8)), (WEIGHTS_FILE, WEIGHTS)], "has rank 8 in adapter_config.json and rank"),
        ([(CONFIG_FILE, other(target_modules=["c_attn"])), (WEIGHTS_FILE, WEIGHTS)], "belongs to another base"),
    ],
)
def test_archives_that_are_no_adapter_leave_the_one_in_use(context, tmp_path, members, message):
    session = Session()
    session.encoder, session.description = context.encoder("mntp"), "earlier"
    with pytest.raises(LLM2VecError, match=message):
        uploads.load(context, session, [archive(tmp_path, members)], "bidirectional")
    assert (session.encoder, session.description) == (context.encoder("mntp"), "earlier")


def test_uploads_that_are_no_adapter(context, tmp_path):
    for name, content, message in (
        ("notes.zip", b"PK", "notes.zip is not a readable zip archive"),
        ("model.bin", b"\x80", "model.bin is not part of an adapter"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(LLM2VecError, match=message):
            uploads.load(context, Session(), [str(tmp_path / name)], "bidirectional")
    with pytest.raises(InputError, match=r"adapter_config.json is missing"):
        uploads.load(context, Session(), [], "bidirectional")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA], ids=str
)
def test_damaged_archives_are_typed_errors(tmp_path, method):
    """A byte that is another one: an error of ours, or an archive that is read."""
    content, rng = io.BytesIO(), random.Random(0)
    with zipfile.ZipFile(content, "w", method) as opened:
        opened.writestr(CONFIG_FILE, CONFIG)
        opened.writestr(WEIGHTS_FILE, WEIGHTS[:3_000])
    for _ in range(100):
        damaged = bytearray(content.getvalue())
        for _ in range(2):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "a.zip").write_bytes(damaged)
        with suppress(LLM2VecError), uploaded_parts([str(tmp_path / "a.zip")], 10**6) as parts:
            assert set(parts) >= {CONFIG_FILE, WEIGHTS_FILE}
