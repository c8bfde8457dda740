"""``python -m llm2vec_core.modules_page``: what each module's docstring says first, as ``assets/docs/MODULES.md``."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

from llm2vec_core import manifest
from llm2vec_core.errors import InputError
from llm2vec_core.presets import ASSETS

PAGE = ASSETS / "docs" / "MODULES.md"
PACKAGE = Path(__file__).resolve().parent


def summary(file: Path) -> str:
    """The summary line of a module's docstring, as markdown for a cell of a table.

    Args:
        file: a Python file.

    Raises:
        InputError: if the file has no docstring.

    Example:
        >>> summary(PACKAGE / "pooling.py")
        'From one vector per token to one vector per text.'
    """
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    if not docstring:
        raise InputError(f"{file.parent.name}/{file.name} has no docstring; its first line says what the module does")
    line = " ".join(docstring.split("\n\n", 1)[0].split())
    line = re.sub(r":\w+:`([^`]+)`", r"`\1`", line).replace("``", "`")
    return line.replace("|", r"\|")


def page(package: Path = PACKAGE) -> str:
    """The whole page: one section per package, one row per module, both in alphabetical order.

    Args:
        package: folder of the outermost package.
    """
    lines = [
        "# Modules",
        "",
        "The first line of each module's docstring. `python -m llm2vec_core.modules_page` rewrites this page.",
    ]
    for init in sorted(package.rglob("__init__.py")):
        folder = init.parent
        lines += ["", f"## `{folder.relative_to(package.parent).as_posix()}/`", "", summary(init)]
        rows = [f"| `{file.name}` | {summary(file)} |" for file in sorted(folder.glob("*.py")) if file != init]
        if rows:
            lines += ["", "| module | what it is |", "|---|---|", *rows]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    manifest.refresh()
    print(f"wrote {PAGE.name}; MANIFEST.json has its new checksum", file=sys.stderr)
