"""ZeroGPU: what happens there, in a process of its own, and that nothing of it happens anywhere else. Run by ``make compat``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import ROOT, environment


@pytest.mark.process
def test_on_zero_gpu():
    file = Path(__file__).with_name("on_zero_gpu.py")
    command = [sys.executable, "-m", "pytest", str(file), "-q", "-p", "no:cacheprovider", "-W", "default"]
    result = subprocess.run(
        [*command, "-o", "addopts=--import-mode=importlib"],
        env=environment() | {"SPACES_ZERO_GPU": "true"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.process
def test_elsewhere_the_package_does_nothing_and_the_page_does_not_need_it():
    """It is installed here, and whoever imports it first gets the same page."""
    code = """if True:
        import sys
        from llm2vec_core.ui import zero_gpu
        from llm2vec_core.ui.app import Models, build_app
        zero_gpu.prepare()
        print("spaces" in sys.modules)
        import gradio, spaces, torch
        launch, device = gradio.Blocks.launch, torch.device
        def function():
            pass
        print(spaces.GPU(function, duration=20) is function)
        build_app(Models())
        print(gradio.Blocks.launch is launch, torch.device is device, zero_gpu.loan_for(1e20))
    """
    result = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "True", "True", "True", "0"]
