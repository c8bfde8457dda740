"""Every example that ``--help`` shows is run as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from llm2vec_core.cli import all_commands, main

# Made by an example of another command: shown here with the command that makes it.
NEEDED = {
    "vectors.parquet": "encode texts.txt --out vectors.parquet",
    "vectors.npy": "encode texts.txt --out vectors.npy",
    "corpus.lance": "encode texts.txt --out corpus.lance",
    "shards.lance": "encode texts.txt --out shards.lance --shard 1/1",
}
EXAMPLE = re.compile(r"^  (?:cat (?P<input>\S+) \| )?python -m llm2vec_core (?P<arguments>.+)$", flags=re.MULTILINE)


def shown_examples(name: str, capsys) -> list[tuple[str | None, list[str]]]:
    with pytest.raises(SystemExit):
        main([name, "--help"])
    printed = capsys.readouterr().out
    found = [(match["input"], shlex.split(match["arguments"])) for match in EXAMPLE.finditer(printed)]
    assert len(found) == len(printed.split("examples:\n")[1].split("\n\n")[0].splitlines())
    return found


@pytest.mark.parametrize("name", [command.name for command in all_commands()])
def test_examples_run(name, folder, feed, capsys, monkeypatch):
    monkeypatch.setattr("llm2vec_core.ui.app.serve", print)
    for piped, arguments in shown_examples(name, capsys):
        assert arguments[0] == name
        for file in {name for name in NEEDED.keys() & set(arguments[1:3]) if not Path(name).exists()}:
            assert main(shlex.split(NEEDED[file])) == 0
        if piped:
            feed(Path(piped).read_bytes())
        assert main(arguments) == 0, capsys.readouterr().err
        printed = capsys.readouterr().out
        out = arguments[arguments.index("--out") + 1] if "--out" in arguments else None
        assert Path(out).exists() if out else printed
