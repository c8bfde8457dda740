"""When a visit ends, and what goes with it: uploads at once, the session a little later, its memory too."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import gradio as gr
import psutil

from llm2vec_core.ui.limits import Limits
from llm2vec_core.ui.memory import give_back
from llm2vec_core.ui.session import Session

SESSION = timedelta(hours=1)
# A connection that breaks looks like a page that is closed. What comes later than the last answers on their way is the
# visitor, who is still there.
RETURN, ON_THEIR_WAY = timedelta(minutes=2), timedelta(seconds=15)
# An open page that nobody has touched for so long does not keep a model in memory.
LOOKING = timedelta(minutes=10)
SWEEP_SECONDS = 15.0
# Free pages come and go; giving them back takes a moment in which nobody is answered.
GROWN_BYTES = 100 * 2**20


class Visits:
    """The visits of one page.

    Args:
        demo: the page.
        limits: of what its sessions keep together.
    """

    def __init__(self, demo: gr.Blocks, limits: Limits) -> None:
        self._demo, self._limits = demo, limits
        self._sessions: WeakValueDictionary[str, Session] = WeakValueDictionary()
        self._left: dict[str, datetime] = {}
        self._resident = 0

    def bind(self, session: gr.State) -> None:
        """Hear of visitors that come and go; call it while the page is built."""
        self._demo.load(self.arrive, session, None, api_name=False, show_progress="hidden", queue=False)
        self._demo.unload(self.leave)

    def arrive(self, session: Session, request: gr.Request) -> None:
        """A page was loaded."""
        if request.session_hash:
            self._sessions[request.session_hash] = session

    def leave(self, request: gr.Request) -> None:
        """A page was closed or loaded anew, or its connection broke. Gradio ends what runs for it."""
        if not request.session_hash:
            return
        self._left[request.session_hash] = datetime.now()
        if (visit := self._sessions.get(request.session_hash)) is not None:
            visit.delete_uploads()

    def models_in_use(self, but: object = None) -> set[str]:
        """Keys of the models that visitors look at or have an adapter of.

        Args:
            but: a session that does not count.
        """
        now, used = datetime.now(), self._demo.state_holder.time_last_used
        return {
            model
            for key, session in list(self._sessions.items())
            if session is not but and key not in self._left and now - used.get(key, datetime.min) < LOOKING
            for model in (session.model_key, *([session.own_model_key] if session.encoder is not None else []))
        }

    def sweep(self, now: datetime | None = None) -> int:
        """Forget the sessions that are over, and give their memory back.

        Args:
            now: the time.

        Returns:
            How many were forgotten.
        """
        holder, now = self._demo.state_holder, now or datetime.now()
        over = [key for key, used in list(holder.time_last_used.items()) if self._is_over(key, used, now)]
        for key in over:
            with holder.lock:
                holder.session_data.pop(key, None)
                holder.time_last_used.pop(key, None)
            self._left.pop(key, None)
            self._demo._queue.pending_event_ids_session.pop(key, None)
        self._left = {key: left for key, left in self._left.items() if key in holder.session_data}
        self._bound_results(list(holder.session_data))
        if over or psutil.Process().memory_info().rss > self._resident + GROWN_BYTES:
            give_back()
            self._resident = psutil.Process().memory_info().rss
        return len(over)

    def sweep_in_background(self) -> threading.Thread:
        """:meth:`sweep` every few seconds, for as long as the process lives."""

        def work() -> None:
            pause = threading.Event()
            while not pause.wait(SWEEP_SECONDS):
                self.sweep()

        thread = threading.Thread(target=work, name="visits", daemon=True)
        thread.start()
        return thread

    def _is_over(self, key: str, used: datetime, now: datetime) -> bool:
        left = self._left.get(key)
        if left is not None and used > left + ON_THEIR_WAY:
            del self._left[key]
            left = None
        return now - used > SESSION if left is None else now - max(used, left) > RETURN

    def _bound_results(self, keys: list[str]) -> None:
        """Drop results of whoever was idle longest, until all fit; they are made again when asked for."""
        kept = [session.cache for key in keys if (session := self._sessions.get(key)) is not None]
        total, room = sum(cache.bytes for cache in kept), self._limits.results_megabytes * 2**20
        for cache in kept:
            if total <= room:
                return
            total -= cache.bytes
            cache.clear()
