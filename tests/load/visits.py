"""What the visitors do, again and again until the time is over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from tests.load.figures import Figures
from tests.load.visitor import Visitor

# The server closes a connection after five idle seconds; a browser asks again, this client must not be in the middle.
LIMITS = httpx.Limits(max_connections=None, keepalive_expiry=2.0)
THINKING = (3.0, 9.0)
STAY = (20.0, 90.0)
WORDS = [
    "river",
    "bank",
    "money",
    "boat",
    "robbed",
    "steep",
    "loan",
    "water",
    "muddy",
    "old",
    "village",
    "train",
    "letter",
    "garden",
    "winter",
    "bridge",
]

Action = Callable[[Visitor, random.Random], Coroutine[Any, Any, None]]


def sentence(rng: random.Random) -> str:
    """One that nobody has asked about before."""
    return f"The {' '.join(rng.choices(WORDS, k=6))} was number {rng.randrange(10**6)}."


async def see(visitor: Visitor, rng: random.Random) -> None:
    """Two sentences, their attention, a step of the lesson."""
    visitor.fill(sentence_a=sentence(rng), sentence_b=sentence(rng))
    await visitor.act("see", "compare-button")
    visitor.fill(layer=rng.choice([1, 2, 3]))
    await visitor.act("see: attention", "layer", "input")


async def compare(visitor: Visitor, rng: random.Random) -> None:
    """A few texts with each other."""
    visitor.fill(compare_texts="\n".join(sentence(rng) for _ in range(6)))
    await visitor.act("compare", "compare-run")


async def search(visitor: Visitor, rng: random.Random) -> None:
    """A question to our collection."""
    visitor.fill(search_query=sentence(rng))
    await visitor.act("search", "search-button")


async def search_own(visitor: Visitor, rng: random.Random) -> None:
    """A question to texts of one's own."""
    visitor.fill(search_source="own", search_pasted="\n".join(sentence(rng) for _ in range(100)))
    await visitor.act("search own: texts", "search-use")
    await search(visitor, rng)
    visitor.fill(search_source="ours")


async def draw(visitor: Visitor, rng: random.Random) -> None:
    """The map, with another number of clusters."""
    visitor.fill(map_clusters=rng.randrange(3, 12))
    await visitor.act("map", "map-draw")


async def train(visitor: Visitor, rng: random.Random, kind: str = "train", steps: int = 30) -> None:
    """A short run."""
    visitor.fill(train_steps=steps, train_seed=rng.randrange(1000))
    await visitor.act(kind, "train-button")
    if kind == "train" and "Done" not in (told := visitor.shown("train-status")):
        raise RuntimeError(f"training ended with {told[-200:]!r}")


ACTIONS: list[tuple[Action, int]] = [(see, 4), (compare, 3), (search, 3), (search_own, 1), (draw, 1)]


async def visits(address: str, figures: Figures, until: float, number: int, *, trains: bool) -> None:
    """Come, look around, leave, and come again.

    Args:
        address: of the server.
        figures: what is measured goes there.
        until: seconds of the figures' clock.
        number: of the visitor, and the seed.
        trains: whether each visit begins with a training.
    """
    rng = random.Random(number)
    actions, weights = zip(*ACTIONS, strict=True)
    while figures.seconds < until:
        async with httpx.AsyncClient(base_url=address, timeout=120.0, limits=LIMITS) as client:
            visitor = Visitor(client, figures)
            try:
                await visitor.arrive()
                if trains:
                    await train(visitor, rng)
                leaves = min(until, figures.seconds + rng.uniform(*STAY))
                while figures.seconds < leaves:
                    await rng.choices(actions, weights)[0](visitor, rng)
                    await asyncio.sleep(rng.uniform(*THINKING))
            except Exception as error:
                figures.failed("visit", f"{type(error).__name__}: {error}")
                await asyncio.sleep(1)
            finally:
                await visitor.leave()


async def leaves_while_training(address: str, figures: Figures, steps: int = 400) -> None:
    """Press Train, wait for the first steps, and close the page."""
    async with httpx.AsyncClient(base_url=address, timeout=120.0, limits=LIMITS) as client:
        visitor = Visitor(client, figures)
        await visitor.arrive()
        running = asyncio.create_task(train(visitor, random.Random(), "leave while training", steps))
        await asyncio.sleep(8)
        running.cancel()
        await visitor.leave()
