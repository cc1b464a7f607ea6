"""What the operating system reports: the CPUs, their state, and the memory of this process.

Each value is None where the system does not report it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_THERMAL = Path("/sys/class/thermal")
_PROCESS = Path("/proc/self")

# Bits 0 to 3 of `vcgencmd get_throttled` on a Raspberry Pi: now. Bits 16 to 19: since the boot.
_THROTTLED = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")


@dataclass(frozen=True)
class Conditions:
    """The state of the machine, which may make it slower than an hour ago."""

    governor: str | None  # the policy for the clock, such as "ondemand" or "performance"
    mhz: float | None  # the clock now
    temperature_c: float | None  # of the hottest sensor
    throttled: tuple[str, ...] | None  # on a Raspberry Pi: why it is, or was since the boot, slow
    load: float | None  # runnable processes, mean of the last minute


def conditions(cpu: int = 0) -> Conditions:
    """Return the state of the machine, with the clock of one CPU."""
    clock = _CPUS / f"cpu{cpu}" / "cpufreq"
    khz = _number(clock / "scaling_cur_freq")
    sensors = [_number(path) for path in _THERMAL.glob("thermal_zone*/temp")]
    hottest = max((value for value in sensors if value is not None), default=None)
    return Conditions(
        governor=_text(clock / "scaling_governor"),
        mhz=None if khz is None else khz / 1e3,
        temperature_c=None if hottest is None else hottest / 1e3,
        throttled=_throttled(),
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def read_throttled(output: str) -> tuple[str, ...] | None:
    r"""Read the output of ``vcgencmd get_throttled``.

    Examples
    --------
    >>> read_throttled("throttled=0x50004\n")
    ('throttled', 'earlier: under-voltage', 'earlier: throttled')
    >>> read_throttled("throttled=0x0"), read_throttled("error")
    ((), None)
    """
    try:
        bits = int(output.partition("=")[2], 16)
    except ValueError:
        return None
    now = [name for bit, name in enumerate(_THROTTLED) if bits >> bit & 1]
    earlier = [f"earlier: {name}" for bit, name in enumerate(_THROTTLED) if bits >> bit + 16 & 1]
    return (*now, *earlier)


def choose_cpus(threads: int) -> tuple[int, ...]:
    """Choose a CPU for each thread: the fastest, and of these the last.

    The first CPU serves most interrupts. Empty where a process cannot choose its CPUs.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()

    def speed(cpu: int) -> tuple[float, int]:
        return _number(_CPUS / f"cpu{cpu}" / "cpufreq" / "cpuinfo_max_freq") or 0.0, cpu

    return tuple(sorted(os.sched_getaffinity(0), key=speed)[-threads:])


def resident_bytes() -> int | None:
    """Return the memory of this process [bytes]; its peak where only that is known."""
    return _status("VmRSS:") or peak_bytes()


def peak_bytes() -> int | None:
    """Return the peak of this process's memory since its start or `reset_peak` [bytes]."""
    peak = _status("VmHWM:")
    if peak is None and sys.platform != "win32":
        # On Linux this would include the parent's memory when it started this process.
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak *= 1 if sys.platform == "darwin" else 1024
    return peak


def reset_peak() -> None:
    """Set the peak to the present memory, where the system allows it."""
    try:
        (_PROCESS / "clear_refs").write_text("5", encoding="ascii")
    except OSError:
        pass


def _status(name: str) -> int | None:
    lines = (_text(_PROCESS / "status") or "").splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(name)), None)


def _throttled() -> tuple[str, ...] | None:
    command = ["vcgencmd", "get_throttled"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):  # not a Raspberry Pi
        return None
    return read_throttled(done.stdout)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None


def _number(path: Path) -> float | None:
    try:
        return float(_text(path) or "")
    except ValueError:
        return None
