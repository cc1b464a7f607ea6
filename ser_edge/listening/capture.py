"""A thread that takes sound in and never waits for whoever hears it."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import SerEdgeError
from ser_edge.listening.sources import Source


class Capture:
    """Take in what a source yields, in a thread of its own.

    What is not fetched in time is dropped, the oldest first, and counted; unless the source waits.

    Parameters
    ----------
    source : Source
        Where sound comes from.
    waits : bool
        Whether the source, such as a file, can wait until what it gave is fetched.
    most_s : float > 0
        So much is kept [s].

    Attributes
    ----------
    dropped_s : float
        So much was dropped [s].
    error : SerEdgeError or None
        Why the source ended, if it failed.
    """

    def __init__(self, source: Source, *, waits: bool, most_s: float = 10.0) -> None:
        self._source, self._waits = source, waits
        self._most = round(most_s * source.sample_rate)
        self._held: deque[NDArray[Any]] = deque()
        self._n_held = 0
        self._arrived_at = time.monotonic()
        self._changed = threading.Condition()
        self._ended = False
        self.dropped_s = 0.0
        self.error: SerEdgeError | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was taken in can still be fetched."""
        self._source.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fetch(self, timeout_s: float) -> tuple[NDArray[Any] | None, float]:
        """Return what has come, as soon as there is any.

        Parameters
        ----------
        timeout_s : float > 0
            How long to wait for it [s].

        Returns
        -------
        samples : np.ndarray [shape=(n,)] or None
            Empty if nothing has come; None when nothing more will.
        arrived_at : float
            When the last of them came, by `time.monotonic`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._held or self._ended, timeout_s)
            if not self._held:
                return (None if self._ended else np.empty(0, np.float32)), self._arrived_at
            samples = np.concatenate(self._held)
            self._held.clear()
            self._n_held = 0
            self._changed.notify_all()
            return samples, self._arrived_at

    def _run(self) -> None:
        try:
            for chunk in self._source.chunks():
                self._take(chunk)
                if self._ended:
                    break
        except SerEdgeError as error:
            self.error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _take(self, chunk: NDArray[Any]) -> None:
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: self._n_held <= self._most or self._ended)
            self._held.append(chunk)
            self._n_held += len(chunk)
            self._arrived_at = time.monotonic()
            while self._n_held > self._most and len(self._held) > 1 and not self._waits:
                n_dropped = len(self._held.popleft())
                self._n_held -= n_dropped
                self.dropped_s += n_dropped / self._source.sample_rate
            self._changed.notify_all()
