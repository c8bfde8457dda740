from __future__ import annotations

import os

import pytest

from llm2vec_core.cli import build_parser, main
from llm2vec_core.ui import app


@pytest.fixture
def served(monkeypatch):
    """Where the page would be served."""
    places = []
    monkeypatch.setattr(app, "serve", lambda *place: places.append(place))
    for name in ("HOST", "PORT", "SPACE_ID", "LLM2VEC_MODEL", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    return places


def test_a_visitors_machine_is_not_reached_from_outside(served):
    assert main(["app"]) == 0
    assert served == [("127.0.0.1", 7860, None)]
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


def test_a_space_is(served, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "owner/name")
    assert main(["app"]) == 0
    assert served == [("0.0.0.0", 7860, None)]


def test_flags_outweigh_the_environment(served, monkeypatch):
    monkeypatch.setenv("HOST", "10.0.0.1")
    monkeypatch.setenv("PORT", "8000")
    monkeypatch.setenv("LLM2VEC_MODEL", "mini")
    assert main(["app"]) == main(["app", "--host", "::1", "--port", "9000", "--model", "smollm2"]) == 0
    assert served == [("10.0.0.1", 8000, "mini"), ("::1", 9000, "smollm2")]


def test_a_port_that_is_no_number(monkeypatch, capsys):
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(SystemExit):
        build_parser().parse_args(["app"])
    assert "argument --port: invalid int value: 'http'" in capsys.readouterr().err


def test_a_model_that_the_page_cannot_open_with(capsys):
    assert main(["app", "--model", "llama-2-7b"]) == 2
    assert "error: the page cannot open with 'llama-2-7b'; choose one of mini, smollm2" in capsys.readouterr().err


def test_a_port_out_of_range(capsys):
    for port in ("-1", "65536"):
        assert main(["app", "--port", port]) == 2
        assert f"--port {port} is none: a port is a number from 0 to 65535" in capsys.readouterr().err
