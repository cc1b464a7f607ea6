"""How much memory this process holds, and held at most; None where the system does not say."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def held_bytes() -> int | None:
    """Return what it holds now, or, where only that is known, what it held at most [bytes]."""
    return _from_status("VmRSS:") or peak_bytes()


def peak_bytes() -> int | None:
    """Return what it held at most, since its start or since `forget_peak` [bytes]."""
    peak = _from_status("VmHWM:")
    if peak is None and sys.platform != "win32":
        # On Linux this would count what the parent held when it started this process.
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak *= 1 if sys.platform == "darwin" else 1024
    return peak


def forget_peak() -> None:
    """Start anew with what is held now, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pass


def _from_status(name: str) -> int | None:
    try:
        lines = _STATUS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), None)
