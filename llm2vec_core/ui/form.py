"""A tab's fields and results by name: named values in, a dict of named results out, errors into the notice."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import gradio as gr

from llm2vec_core.ui.cores import CORES
from llm2vec_core.ui.handlers import notice_for
from llm2vec_core.ui.page import Page
from llm2vec_core.ui.requests import Request
from llm2vec_core.ui.session import Session

Results = dict[str, Any]
NOTICE, SESSION = "notice", "session"


def with_notice(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Let a handler's errors go to the notice.

    The handler returns (or yields) a dict of results by name. On success the notice is cleared; on an error it says
    what was wrong, and every result stays as it was.

    Example:
        >>> with_notice(lambda: {"table": 1})()
        {'notice': '', 'table': 1}
        >>> from llm2vec_core.errors import InputError
        >>> def fails():
        ...     raise InputError("too long")
        >>> with_notice(fails)()
        {'notice': 'too long'}
    """

    def steps(*args: Any, **fields: Any) -> Iterator[Results]:
        try:
            for results in _steps(handler, *args, **fields):
                yield {NOTICE: "", **results}
        except Exception as error:
            yield {NOTICE: notice_for(error)}

    return _of_its_kind(handler, steps)


def latest_only(
    handler: Callable[..., Any], targets: Iterable[str], place: Callable[[str], Hashable] = str
) -> Callable[..., Any]:
    """Let no late result of a handler cover a newer one.

    Opening a tab, pressing a button and choosing a model may all compute the same figures at the same time: without
    this the slowest one is seen last.

    Args:
        handler: takes the model's context and the session first, and returns (or yields) results by name, with the
            notice among them; see :func:`with_notice`.
        targets: names that a request decides about. Results of other names are always shown; a name that is no result
            says that what was chosen there is newer.
        place: what of the whole page a name stands for: two tabs may each have a "notice".
    """
    decided = tuple(targets)
    places = tuple(map(place, decided))

    def shown(request: Request, results: Results) -> Results:
        return {
            name: value if name not in decided or request.is_latest(place(name)) else gr.skip()
            for name, value in results.items()
        }

    def answered(results: Results) -> tuple[Hashable, ...]:
        # Of a handler that failed the notice alone is shown.
        return places if results.get(NOTICE) == "" else (place(NOTICE),)

    def steps(session: Session, **fields: Any) -> Iterator[Results]:
        request = session.requests.begin(places)
        done: tuple[Hashable, ...] = ()
        try:
            for results in _steps(handler, session, **fields):
                done = answered(results)
                yield shown(request, results)
        finally:
            request.close(done)

    return _of_its_kind(handler, steps)


def _yields(handler: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(inspect.unwrap(handler))


def _steps(handler: Callable[..., Any], *args: Any, **fields: Any) -> Iterator[Results]:
    """What a handler yields, or the one thing that it returns."""
    found = handler(*args, **fields)
    return found if _yields(handler) else iter([found])


def _of_its_kind(handler: Callable[..., Any], steps: Callable[..., Iterator[Results]]) -> Callable[..., Any]:
    """The steps as the handler gives its own: yielded if it is a generator, else the only one returned."""

    def once(*args: Any, **fields: Any) -> Results:
        (only,) = steps(*args, **fields)
        return only

    return functools.wraps(handler)(steps if _yields(handler) else once)


class Form:
    """The fields and results of one tab.

    Args:
        page: the page that is being built.
        tab_id: of the tab; a link carries a field under this and its own name.
        notice: where errors are told.
    """

    def __init__(self, page: Page, tab_id: str, notice: gr.HTML) -> None:
        self.page, self.tab_id = page, tab_id
        self._fields: dict[str, gr.components.Component] = {}
        self._results: dict[str, gr.blocks.Block] = {NOTICE: notice, SESSION: page.session}

    def fields(self, *, linked: bool = True, **components: gr.components.Component) -> None:
        """Add fields that handlers take by these names.

        Args:
            linked: whether a link to the view carries them.
            components: by name.
        """
        self._fields |= components
        if linked:
            self.page.linked |= {f"{self.tab_id}_{name}": component for name, component in components.items()}

    def results(self, **components: gr.blocks.Block) -> None:
        """Add components that handlers fill by these names. A field may be a result too."""
        self._results |= components

    def io(
        self,
        handler: Callable[..., Any],
        fields: Iterable[str] | None = None,
        results: Iterable[str] | None = None,
        *,
        decides: Iterable[str] | None = None,
        latest: bool = True,
        unless: Callable[..., bool] | None = None,
        notice: gr.HTML | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Arguments of ``gr.on`` that run a handler.

        Args:
            handler: called with the context of the model in use, the session, and the fields by name; returns (or
                yields) a dict of results by name. What it does not name stays as it is. If it has a parameter
                ``event``, it gets the data that a script of the page sent (a dict).
            fields: names of the fields that it takes; by default all of them.
            results: names of what it may return; by default all but the session.
            decides: names that a request decides about; by default the results and the notice. See
                :func:`latest_only`.
            latest: whether a late result must not cover a newer one.
            unless: called with the session and the fields by name; where it is true nothing is asked. Gradio's Dropdown
                fires ``input`` when it loses focus, changed or not: what was pressed meanwhile must stay. So it is
                asked at once: after the answer before, it would come later than the press and cover it.
            notice: where this handler's errors are told; by default where the form's are.
            options: further arguments of ``gr.on``.
        """
        takes = tuple(self._fields if fields is None else fields)
        gives = tuple(results if results is not None else (name for name in self._results if name != SESSION))
        gives = tuple(dict.fromkeys((NOTICE, *gives)))

        targets = self._results if notice is None else self._results | {NOTICE: notice}

        def place(name: str) -> Hashable:
            return (targets.get(name) or self._fields[name])._id

        # What yields takes its time step by step, and what passes the queue by computes nothing.
        waits = options.get("queue", True) and not _yields(handler)
        run = with_notice(self._in_context(handler, CORES.answering if waits else nullcontext))
        if latest:
            run = latest_only(run, gives if decides is None else decides, place)

        def call(values: dict[Any, Any], **event: Any) -> Any:
            session, given = values[self.page.session], {name: values[self._fields[name]] for name in takes}
            if unless is not None and unless(session, **given):
                return {NOTICE: gr.skip()}
            return run(session, **given, **event)

        def by_component(named: Results) -> dict[Any, Any]:
            return {targets[name]: value for name, value in named.items()}

        return {
            "fn": _gradio_function(handler, call, by_component),
            "inputs": {self.page.session, *(self._fields[name] for name in takes)},
            "outputs": [targets[name] for name in gives],
            "concurrency_id": "interactive",
            "show_progress": "minimal",
            "api_name": False,
            **({"trigger_mode": "multiple" if unless else "always_last"} if latest else {}),
            **options,
        }

    def _in_context(
        self, handler: Callable[..., Any], place: Callable[[], AbstractContextManager[None]]
    ) -> Callable[..., Any]:
        """The handler with the context of the session's model in front of its arguments, in its place at the cores."""

        @functools.wraps(handler)
        def run(session: Session, **values: Any) -> Any:
            with place():
                return handler(self.page.context_of(session), session, **values)

        return run


def _gradio_function(
    handler: Callable[..., Any], call: Callable[..., Any], by_component: Callable[[Results], dict[Any, Any]]
) -> Callable[..., Any]:
    """What gradio calls: it takes the values by component, and looks at the signature for the event's data."""

    def once(values: dict[Any, Any]) -> dict[Any, Any]:
        return by_component(call(values))

    def stream(values: dict[Any, Any]) -> Iterator[dict[Any, Any]]:
        yield from map(by_component, call(values))

    def of_event(values: dict[Any, Any], event: gr.EventData) -> dict[Any, Any]:
        return by_component(call(values, event=event._data if isinstance(event._data, dict) else {}))

    if "event" in inspect.signature(handler).parameters:
        return of_event
    return stream if _yields(handler) else once
