"""Command line of the load run; see CONTRIBUTING.md."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, suppress
from typing import IO

import psutil

from tests.load.figures import Figures
from tests.load.visits import leaves_while_training, visits

START_SECONDS = 300
LATE_SECONDS = 30.0
QUIET_SHARE = 0.25  # of one core: less than any job takes


def started(model: str, log: IO[bytes]) -> tuple[subprocess.Popen[bytes], str]:
    """``python app.py`` with a model; the process and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "LLM2VEC_MODEL": model, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "app.py"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return process, address
        except OSError:
            time.sleep(0.1)
    process.terminate()
    raise SystemExit("the server did not start")


def family(server: psutil.Process) -> list[psutil.Process]:
    """The server and the processes that it has started."""
    return [server, *server.children(recursive=True)]


def memory(server: psutil.Process) -> int:
    """Bytes that the server and its processes take; what they share is counted once."""
    total = 0
    for process in family(server):
        with suppress(psutil.Error):  # it has ended meanwhile
            info = process.memory_full_info()
            total += getattr(info, "pss", info.rss)
    return total


def seconds_used(server: psutil.Process) -> float:
    """CPU seconds so far, of the server and of the processes that it has now."""
    total = 0.0
    for process in family(server):
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:2])
    return total


async def weigh(server: psutil.Process, figures: Figures, every: float) -> None:
    """Note the memory every few seconds."""
    while True:
        figures.weighed(memory(server))
        await asyncio.sleep(every)


async def until_quiet(server: psutil.Process, most: float) -> float:
    """Seconds until the server has nothing to do."""
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < most:
        before = seconds_used(server)
        await asyncio.sleep(1)
        if abs(seconds_used(server) - before) < QUIET_SHARE:  # less: a process has ended
            return now
    return most


async def run(arguments: argparse.Namespace, process: psutil.Process, address: str, figures: Figures) -> None:
    """All visitors, then everybody's leaving."""
    scale = asyncio.create_task(weigh(process, figures, max(2.0, arguments.minutes * 3)))
    until = arguments.minutes * 60
    jobs = [
        visits(address, figures, until, number, trains=number < arguments.training)
        for number in range(arguments.visitors)
    ]
    tasks = [asyncio.create_task(job) for job in jobs]
    _, late = await asyncio.wait(tasks, timeout=until + LATE_SECONDS)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    figures.told.append(f"visitors whose last answer had not come {LATE_SECONDS:.0f} s after the end: {len(late)}")
    if arguments.training:
        await leaves_while_training(address, figures)
        quiet = await until_quiet(process, 60)
        figures.told.append(f"a visitor left while training: the server was idle {quiet:.0f} s later")
    await asyncio.sleep(arguments.after)
    scale.cancel()
    figures.weighed(memory(process))
    last = figures.memory[-1][1]
    figures.told.append(f"{arguments.after:.0f} s after everybody has left: {last:.2f} GB")


def main() -> int:
    """Run; 1 if anything went wrong or an answer took too long."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--visitors", type=int, default=30, help="at once (30)")
    parser.add_argument("--training", type=int, default=4, help="of them train at each visit (4)")
    parser.add_argument("--minutes", type=float, default=10.0, help="until the last one leaves (10)")
    parser.add_argument("--address", help="of a server that runs already, with --pid")
    parser.add_argument("--pid", type=int, help="of that server")
    parser.add_argument(
        "--after", type=float, default=150.0, help="seconds to wait then (150: a session is kept for two minutes)"
    )
    parser.add_argument("--model", default="mini", help="that the page opens with (mini)")
    parser.add_argument("--most", type=float, default=2.0, help="seconds that 95%% of the answers may take (2)")
    arguments = parser.parse_args()
    figures = Figures()
    # Ended from outside it still ends its server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as stack:
        if arguments.address:
            pid, address = arguments.pid, arguments.address
        else:
            log = stack.enter_context(tempfile.TemporaryFile())
            process, address = started(arguments.model, log)
            stack.callback(process.wait, timeout=60)
            stack.callback(process.terminate)
            pid = process.pid
        figures.start()
        try:
            asyncio.run(run(arguments, psutil.Process(pid), address, figures))
        except (KeyboardInterrupt, SystemExit):
            figures.errors.append("the run was ended from outside")
        if not arguments.address:
            log.seek(0)
            figures.logged(log.read().decode("utf-8", "replace"))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {load}")
    print(f"{arguments.visitors} visitors, {arguments.training} of them training, {arguments.minutes:g} minutes")
    print(figures.report())
    slow = figures.slow(arguments.most)
    print(f"slower than {arguments.most:g} s at p95: {', '.join(slow) or 'none'}")
    return 1 if figures.errors or slow else 0


if __name__ == "__main__":
    sys.exit(main())
