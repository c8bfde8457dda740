"""All that this machine can measure, in one report: ``make bench`` (some 20 minutes on two quiet cores).

    python -m tests.benchmarks.report [--small] [--parts encode page umap index train] [--out assets/docs/benchmarks.md]

``--small`` tries the code on a few texts; its figures mean nothing. A part that fails is told in the report, and the
others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.parts import PARTS, Row, row

OUT = Path("assets/docs/benchmarks.md")
PACKAGES = ("torch", "transformers", "sentence-transformers", "umap-learn", "gradio")


def processor() -> str:
    """Its name, and the instructions that decide how fast it multiplies."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(found.get("flags", "").split())
    known = {"avx2": "AVX2", "avx512f": "AVX-512", "avx512_vnni": "VNNI", "avx512_bf16": "bf16", "amx_tile": "AMX"}
    return f"{found.get('model name', platform.machine())} ({', '.join(v for k, v in known.items() if k in flags)})"


def measured(part: str, small: bool, threads: int) -> list[Row]:
    """The rows of one part."""
    command = [sys.executable, "-m", "tests.benchmarks.parts", part, "--threads", str(threads)]
    done = subprocess.run(
        [*command, "--small"] if small else command,
        capture_output=True,
        text=True,
        # As a server is best run: threads that wait do not spin.
        env={**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        rows.append(row(f"{part}: broke off", "", "not run", done.stderr.strip().splitlines()[-1][:160]))
    return rows


def of_other_processors(report: Path, where: str) -> list[str]:
    """The lines of an earlier report that this machine says nothing about."""
    lines = report.read_text(encoding="utf-8").splitlines() if report.is_file() else []
    return [line for line in lines if line.startswith("| ") and " threads | " in line and f"| {where} |" not in line]


def written(rows: list[Row], where: str, busy: str, others: list[str]) -> str:
    """The report, as Markdown."""
    today = date.today().isoformat()
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    head = "| what | model | measured | beside | processor | date |\n|---|---|---|---|---|---|"
    lines = [
        f"| {' | '.join(cell.replace('|', '/') for cell in (r['what'], r['model'], r['figure'], r['beside'], where, today))} |"
        for r in rows
    ]
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Made by `make bench` (`tests/benchmarks/report.py`). Ratios come from one run in which all take turns; figures in "
            "seconds differ between processors and with what else runs. A run replaces the lines of its own processor.",
            "",
            f"{packages}; load average before and after: {busy}.",
            "",
            head,
            *lines,
            *others,
            "",
        ]
    )


def main() -> int:
    """Measure and write; 1 if a part broke off."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a few texts, to try the code")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    before, rows = os.getloadavg()[0], []
    for part in options.parts:
        found = measured(part, options.small, options.threads)
        rows += found
        for each in found:
            print(" | ".join(each.values()), flush=True)
    where = f"{processor()}, {options.threads} threads"
    busy = f"{before:.1f} and {os.getloadavg()[0]:.1f}"
    report = written(rows, where, busy, of_other_processors(options.out, where))
    options.out.write_text(report, encoding="utf-8")
    return int(any("broke off" in each["what"] for each in rows))


if __name__ == "__main__":
    sys.exit(main())
