"""The README's promises: its code runs, its files exist, its commands are the Makefile's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.splitlines()[0][:40])
def test_code_blocks_run(code, monkeypatch, capsys):
    """Each in a namespace of its own, as a reader pastes it, and it says something."""
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_there_is_code_to_run():
    assert BLOCKS


def test_the_front_matter_is_what_spaces_needs():
    front = dict(re.findall(r"^(\w+): (.+)$", README.split("---")[1], flags=re.MULTILINE))
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    requirement = re.search(r"^gradio>=([\d.]+)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE).group(1)
    assert front["sdk_version"].startswith(requirement)


def test_every_named_file_exists_and_every_module_is_named():
    named = set(re.findall(r"^\| `([^`]+)` \|", README, flags=re.MULTILINE))
    for name in named:
        assert (ROOT / name).exists(), name
    for path in (ROOT / "llm2vec_core").rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if path.name != "__init__.py":
            assert name in named, f"README has no sentence for {name}"


def test_the_commands_are_there():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("app", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_pictures_exist():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path
