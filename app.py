"""Start the page: ``python app.py [--host 127.0.0.1] [--port 7860] [--model mini]``."""

from __future__ import annotations

import argparse
import os
import sys

# Read when torch is imported. Threads that spin while they wait cost more than they give where several visitors share
# two cores: two encoders side by side run 1.6 times as fast without.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from llm2vec_core.constants import STORED_PRESETS
from llm2vec_core.ui.app import build_app, launch_settings, warm_up_in_background
from llm2vec_core.ui.models import Models, opening_model

# A Space's container is reached from outside; a visitor's own machine should not be.
EVERYWHERE = "0.0.0.0"  # noqa: S104


def main() -> None:
    """Read the flags, build, launch. HOST, PORT and LLM2VEC_MODEL in the environment are the defaults."""
    on_spaces = "SPACE_ID" in os.environ
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=os.environ.get("HOST", EVERYWHERE if on_spaces else "127.0.0.1"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "7860")))
    parser.add_argument(
        "--model",
        choices=[preset.key for preset in STORED_PRESETS],
        default=os.environ.get("LLM2VEC_MODEL"),
        help="the page opens with it; by default the largest one that is on this machine",
    )
    arguments = parser.parse_args()
    model, why = (arguments.model, "") if arguments.model else opening_model()
    if why:
        print(f"The page opens with the bundled model. {why}", file=sys.stderr)
    models = Models(default=model)
    demo = build_app(models)
    warm_up_in_background(models)
    demo.launch(server_name=arguments.host, server_port=arguments.port, **launch_settings())


if __name__ == "__main__":
    main()
