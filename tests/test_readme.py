"""What README.md and CONTRIBUTING.md promise: code runs, commands parse, files exist, numbers are the stored ones."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from llm2vec_core.cli import build_parser
from llm2vec_core.evaluation.summary import read_summary
from llm2vec_core.experiments.curves import read_sample_efficiency
from llm2vec_core.presets import MINILM, PRESETS
from llm2vec_core.provision import encoder_only_files

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
BLOCKS = [code for language, code in FENCED if language == "python"]
LINES = [line for language, code in FENCED if not language for line in code.splitlines()]
COMMANDS = [line.split("#")[0].strip() for line in LINES if line.startswith("python -m llm2vec_core ")]


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: code.splitlines()[0][:40])
def test_code_blocks_run(code, monkeypatch, capsys):
    """Each in a namespace of its own, as a reader pastes it, and it says something."""
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out


def test_there_is_something_to_run():
    assert BLOCKS
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse(command):
    words = shlex.split(command)[3:]
    assert build_parser().parse_args(words).command == words[0]


def test_the_front_matter_is_what_spaces_needs():
    front = yaml.safe_load(README.split("---")[1])
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    requirement = re.search(r"^gradio>=([\d.]+)", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE).group(1)
    assert str(front["sdk_version"]).startswith(requirement)
    assert isinstance(front["python_version"], str), "3.10 without quotation marks would be 3.1"
    origins = [preset.gguf for preset in PRESETS.values() if preset.gguf]
    expected = [f"{origin.repo} {origin.file} {origin.revision}" for origin in origins]
    expected.append(f"{MINILM.repo} {','.join(encoder_only_files(MINILM))} {MINILM.revision}")
    assert front["preload_from_hub"] == expected


@pytest.mark.parametrize("document", DOCUMENTS)
def test_linked_files_and_pictures_exist(document):
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / document).read_text(encoding="utf-8"))
    missing = [link for link in links if not re.match(r"https?://|#", link) and not (ROOT / link).is_file()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_paths_exist(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:llm2vec_core|tests|assets)/[\w./-]*)`", text)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_modules_named_as_commands_exist():
    for document in DOCUMENTS:
        for module in re.findall(r"python -m (llm2vec_core\.[\w.]+)", (ROOT / document).read_text(encoding="utf-8")):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


def test_make_has_every_target_that_is_named():
    makefile = (ROOT / "Makefile").read_text()
    for document in DOCUMENTS:
        targets = re.findall(
            r"(?:^|`)make ([a-z-]+)", (ROOT / document).read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        assert targets
        for target in targets:
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def table_rows(text: str, columns: int) -> dict[str, list[str]]:
    """Cells by label, of every row with so many cells after it."""
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    return {label: cells for label, *cells in rows if len(cells) == columns}


@pytest.mark.parametrize(("file", "places"), [("ladder.json", (0, 2)), ("ladder-smollm2.json", (3, 5))])
def test_the_results_are_the_stored_ones(file, places):
    """Sentence pairs, and the mean of all kinds of task."""
    summary = read_summary(ROOT / "assets" / "figures" / file)
    rows = table_rows(README, columns=6)
    for encoder in summary.encoders:
        row = rows[encoder.label + " without quotes" * (encoder.label == "Causal, prompt")]
        # Half of the last digit that is shown, and half of the last one that is stored.
        stored = [encoder.means[kind].score for kind in ("sts", "mean")]
        assert [float(row[place]) for place in places] == pytest.approx(stored, abs=0.0506), encoder.label


def test_the_results_of_smollm2_are_those_of_its_card():
    """The card measures each set; its last two columns are the mean, and the mean of centred vectors."""
    card = (ROOT / "assets" / "adapters" / "smollm2-135m-instruct" / "README.md").read_text(encoding="utf-8")
    measured = table_rows(card, columns=7)
    del measured["encoder"]
    assert measured
    rows = table_rows(README, columns=6)
    for label, cells in measured.items():
        [row] = [row for row in rows if label.startswith(row) or row.startswith(label)]
        assert rows[row][3:5] == cells[5:], label
    kinds = table_rows(card, columns=9)
    for encoder in read_summary(ROOT / "assets" / "figures" / "ladder-smollm2.json").encoders:
        cells = kinds[encoder.label]
        for kind, place in (("pair_classification", 0), ("classification", 4), ("clustering", 5), ("retrieval", 8)):
            found = encoder.means[kind]
            assert cells[place] == f"{found.score:.1f} [{found.low:.1f}, {found.high:.1f}]", (encoder.label, kind)


def test_the_curves_of_smollm2_in_its_card_are_the_stored_ones():
    card = (ROOT / "assets" / "adapters" / "smollm2-135m-instruct" / "README.md").read_text(encoding="utf-8")
    rows = table_rows(card.split("**How many labels it takes**")[1].split("**How much")[0], columns=5)
    experiment = read_sample_efficiency(ROOT / "assets" / "figures" / "sample_efficiency-smollm2.json")
    for curve in experiment.curves:
        assert [float(cell) for cell in rows[curve.label]] == pytest.approx(curve.mean, abs=0.0506), curve.label
        assert f"{curve.mean[0]:.1f} to {curve.mean[-1]:.1f}" in " ".join(README.split()), curve.label
    causal, mntp = experiment.curves[0], experiment.curves[2]
    assert f"after {mntp.steps_to(causal.mean[-1]):.0f} steps" in " ".join(README.split())
