"""Tell systemd that the service runs, as ``sd_notify(3)`` does; nothing where there is none."""

from __future__ import annotations

import os
import socket
import time


class Watchdog:
    """Says ``READY=1`` once, and ``WATCHDOG=1`` at most each second.

    A unit with ``Type=notify`` and ``WatchdogSec=`` is restarted when that stops.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._next = 0.0

    def ready(self) -> None:
        """Say that sound is heard from now on."""
        self._send("READY=1")

    def alive(self) -> None:
        """Say that it still is."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + 1.0
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A name that begins with @ stands for one in Linux's abstract namespace.
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            try:
                notify.connect(address)
                notify.sendall(message.encode())
            except OSError:  # whoever started us listens no more; the sound goes on
                self._address = ""
