"""Notifications for systemd, as ``sd_notify(3)`` sends them; without systemd nothing is sent."""

from __future__ import annotations

import os
import socket
import time

_INTERVAL_S = 1.0  # well below any sensible WatchdogSec=


class Watchdog:
    """Send ``READY=1`` once, then ``WATCHDOG=1`` once a second.

    systemd restarts a unit with ``Type=notify`` and ``WatchdogSec=`` when these stop.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._next = 0.0

    def ready(self) -> None:
        """Report that the session has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """Report that it is still running."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _INTERVAL_S
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # A leading @ means Linux's abstract namespace.
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            try:
                notify.connect(address)
                notify.sendall(message.encode())
            except OSError:  # the service manager is gone; processing continues
                self._address = ""
