"""The wheel, installed where there is no checkout and nothing but what its metadata asks for.

Nothing is downloaded: the fresh environment holds links to the installed packages that the wheel's requirements name,
and those packages' own, and no others.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.test_readme import BLOCKS

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
NAME = PROJECT["name"]


def extra_requirements(name: str) -> list[str]:
    """An extra's requirements, with those of the extras that it names."""
    found = []
    for text in EXTRAS[name]:
        one = Requirement(text)
        found += (
            [needed for extra in one.extras for needed in extra_requirements(extra)] if one.name == NAME else [text]
        )
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [file] = folder.iterdir()
    return file


def installed(requirements: list[str]) -> dict[str, Path]:
    """What the requirements bring, by its name below site-packages; with the requirements' own."""
    places: dict[str, Path] = {}
    waiting, known = [Requirement(text) for text in requirements], set()
    while waiting:
        requirement = waiting.pop()
        if (requirement.name, *sorted(requirement.extras)) in known:
            continue
        known.add((requirement.name, *sorted(requirement.extras)))
        found = distribution(requirement.name)
        for file in found.files or ():
            if file.parts[0] not in ("..", "__pycache__"):
                places[file.parts[0]] = Path(str(found.locate_file(file.parts[0])))
        for text in found.requires or ():
            needed = Requirement(text)
            extras = ["", *requirement.extras]
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return places


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A fresh environment with the wheel and its requirements, no extra; gives its folder of programs."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for name, place in installed(PROJECT["dependencies"]).items():
        (packages / name).symlink_to(place)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(folder / "bin" / "python"),
        "install",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, "--quiet", "--no-compile", str(wheel)], check=True)
    return folder / "bin"


def run(command: list[object], folder: Path) -> subprocess.CompletedProcess[str]:
    """In another folder, and with nothing of this checkout in reach."""
    names = ("HF_HUB_OFFLINE", "OMP_NUM_THREADS", "PATH", "LD_LIBRARY_PATH")
    variables = {"HOME": str(folder), **{name: os.environ[name] for name in names if name in os.environ}}
    return subprocess.run([str(part) for part in command], cwd=folder, env=variables, capture_output=True, text=True)


@pytest.mark.process
def test_the_wheel_holds_the_package_and_its_assets(wheel):
    with zipfile.ZipFile(wheel) as file:
        found = {name for name in file.namelist() if ".dist-info/" not in name}
        entry_points = next(name for name in file.namelist() if name.endswith("entry_points.txt"))
        assert "llm2vec-core = llm2vec_core.cli:main" in file.read(entry_points).decode()
    files = [file for top in ("llm2vec_core", "assets") for file in (ROOT / top).rglob("*")]
    paths = {f.relative_to(ROOT).as_posix() for f in files if f.is_file() and "__pycache__" not in f.parts}
    assert found == {path if path.startswith("llm2vec_core/") else f"llm2vec_core/{path}" for path in paths}


# What a user of the core meets: all public names, and where an extra is missing, its name.
ON_THE_CORE = """
import importlib
import llm2vec_core
from llm2vec_core.cli import main

print(llm2vec_core.__file__)
for name in llm2vec_core.__all__:
    getattr(llm2vec_core, name)
for module in {modules!r}:
    try:
        importlib.import_module(module)
    except llm2vec_core.MissingPackageError as error:
        print(module, error)
print(main(["app"]), main(["evaluate", "--data", ".", "--out", "ladder"]))

import runpy, sys
# The console command itself, here for the sake of the seconds that importing torch takes.
sys.argv = [{program!r}, "info", "mini"]
runpy.run_path({program!r}, run_name="__main__")
"""
NEEDED = {
    "llm2vec_core.ui.app": "app",
    "llm2vec_core.projection": "map",
    "llm2vec_core.figures": "evaluate",
    "llm2vec_core.training.pretraining.cooccurrence": "train",
}


@pytest.mark.process
def test_readmes_python_runs_on_the_core_alone(environment, tmp_path):
    more = ON_THE_CORE.format(modules=list(NEEDED), program=str(environment / "llm2vec-core"))
    code = "\n".join([*BLOCKS, more])
    result = run([environment / "python", "-c", code], tmp_path)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    home = lines.index(str(next(environment.parent.glob("lib/python*/site-packages/llm2vec_core/__init__.py"))))
    end = home + 1 + len(NEEDED)
    for (module, extra), line in zip(NEEDED.items(), lines[home + 1 : end], strict=True):
        assert re.fullmatch(rf"{module} .+ needs .+: pip install '\.\[{extra}\]' in the project's folder", line)
    assert lines[end] == "2 2"
    assert lines[end + 1].split() == ["model", "llm2vec-mini"]
    assert [line.rpartition(": ")[2] for line in result.stderr.splitlines() if line.startswith("error: ")] == [
        "pip install '.[app]' in the project's folder",
        "pip install '.[evaluate]' in the project's folder",
    ]


@pytest.mark.process
def test_the_console_command_calls_itself_so(environment, tmp_path):
    assert run([environment / "llm2vec-core", "--help"], tmp_path).stdout.startswith("usage: llm2vec-core ")


def calls_of_require() -> dict[tuple[str, ...], str]:
    """(extra, modules) of every ``require`` in the package, and where it stands."""
    found = {}
    for path in (ROOT / "llm2vec_core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "require":
                found[tuple(ast.literal_eval(argument) for argument in node.args)] = path.name
    return found


def test_an_extra_brings_what_its_error_says():
    calls = calls_of_require()
    assert {extra for extra, *_ in calls} == set(EXTRAS) - {"test", "bench"}
    for extra, *modules in calls:
        if extra in ("ray", "zerogpu"):  # not in this environment: the compat tests install and import them
            names = {Requirement(text).name for text in extra_requirements(extra)}
            assert {module.split(".")[0] for module in modules} <= names
            continue
        brought = installed(extra_requirements(extra))
        assert [module for module in modules if module not in brought and f"{module}.py" not in brought] == []


def test_pinned_versions_lie_in_the_ranges():
    """requirements.txt, which the Space installs, has what the core and the extra ``app`` ask for, and nothing else."""
    ranges = [Requirement(line) for line in (*PROJECT["dependencies"], *extra_requirements("app"))]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert {pin.name for pin in pins} == {one.name for one in ranges}
    for pin in pins:
        lowest = next(part.version for part in pin.specifier if part.operator in (">=", "=="))
        for one in ranges:
            assert one.name != pin.name or lowest in one.specifier, f"{pin} is outside {one}"
