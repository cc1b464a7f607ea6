"""Read a source in its own thread, independent of processing."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser_edge.errors import AudioError, first_line
from ser_edge.listening.sources import SampleSource


class Capture:
    """Read a source in a thread of its own, into a bounded buffer.

    Parameters
    ----------
    source : SampleSource
        The audio.
    waits : bool
        Whether the source, such as a file, can wait while the buffer is full. Otherwise the oldest
        audio is dropped and counted.
    capacity_s : float > 0
        Size of the buffer [s]; the default was chosen generously.

    Attributes
    ----------
    dropped_s : float
        Dropped audio [s].
    error : Exception or None
        Why the source failed.
    """

    def __init__(self, source: SampleSource, *, waits: bool, capacity_s: float = 10.0) -> None:
        self._source, self._waits = source, waits
        self._capacity = round(capacity_s * source.sample_rate)
        self._buffer: deque[NDArray[Any]] = deque()
        self._n_buffered = 0
        self._arrived_at = time.monotonic()
        self._changed = threading.Condition()
        self._ended = False
        self.dropped_s = 0.0
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; buffered audio can still be fetched."""
        self._source.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def fetch(self, timeout_s: float) -> tuple[NDArray[Any] | None, float]:
        """Return the buffered audio; wait for it if there is none.

        Parameters
        ----------
        timeout_s : float > 0
            How long to wait [s].

        Returns
        -------
        samples : np.ndarray [shape=(n,)] or None
            Empty if nothing arrived in time; None at the end.
        arrived_at : float
            When the last of them arrived, by `time.monotonic`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self._ended, timeout_s)
            if not self._buffer:
                return (None if self._ended else np.empty(0, np.float32)), self._arrived_at
            samples = np.concatenate(self._buffer)
            self._buffer.clear()
            self._n_buffered = 0
            self._changed.notify_all()
            return samples, self._arrived_at

    def _run(self) -> None:
        try:
            for chunk in self._source.chunks():
                self._put(chunk)
                if self._ended:
                    break
        except (OSError, MemoryError) as error:  # of the pipe, the file or the sound card
            problem = f"cannot be read to its end ({first_line(error)})"
            self.error = AudioError(problem, "check the source", self._source.name)
            self.error.__cause__ = error
        except Exception as error:  # raised again by the session
            self.error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, chunk: NDArray[Any]) -> None:
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: self._n_buffered <= self._capacity or self._ended)
            self._buffer.append(chunk)
            self._n_buffered += len(chunk)
            self._arrived_at = time.monotonic()
            while self._n_buffered > self._capacity and len(self._buffer) > 1 and not self._waits:
                n_dropped = len(self._buffer.popleft())
                self._n_buffered -= n_dropped
                self.dropped_s += n_dropped / self._source.sample_rate
            self._changed.notify_all()
