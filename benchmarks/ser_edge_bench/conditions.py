"""In which state the machine is: what may make it slower than it was an hour ago."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CPUS = Path("/sys/devices/system/cpu")
_THERMAL = Path("/sys/class/thermal")

# Bits of `vcgencmd get_throttled` on a Raspberry Pi; 16 bits on, the same since it was started.
_THROTTLED = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")


@dataclass(frozen=True)
class Conditions:
    """The state of the machine at one time; None where the system does not tell.

    Parameters
    ----------
    governor : str or None
        What chooses the clock, such as ``"ondemand"`` or ``"performance"``.
    mhz : float or None
        The clock now.
    temperature_c : float or None
        Of the hottest sensor.
    throttled : tuple of str or None
        On a Raspberry Pi: what slows it down now, and, with ``"earlier: "`` ahead, what did since
        it was started.
    load : float or None
        Processes that wanted to run, mean of the last minute.
    """

    governor: str | None
    mhz: float | None
    temperature_c: float | None
    throttled: tuple[str, ...] | None
    load: float | None


def conditions(cpu: int = 0) -> Conditions:
    """Look at the machine.

    Parameters
    ----------
    cpu : int
        Whose clock is told.

    Examples
    --------
    >>> conditions().throttled  # doctest: +SKIP
    ('earlier: under-voltage',)
    """
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


def read_throttled(told: str) -> tuple[str, ...] | None:
    r"""Read what ``vcgencmd get_throttled`` prints.

    Examples
    --------
    >>> read_throttled("throttled=0x50004\n")
    ('throttled', 'earlier: under-voltage', 'earlier: throttled')
    >>> read_throttled("throttled=0x0"), read_throttled("error")
    ((), None)
    """
    try:
        bits = int(told.partition("=")[2], 16)
    except ValueError:
        return None
    now = [name for bit, name in enumerate(_THROTTLED) if bits >> bit & 1]
    earlier = [f"earlier: {name}" for bit, name in enumerate(_THROTTLED) if bits >> bit + 16 & 1]
    return (*now, *earlier)


def _throttled() -> tuple[str, ...] | None:
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "get_throttled"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
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
