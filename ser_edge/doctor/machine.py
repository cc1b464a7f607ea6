"""The properties of this machine that decide which interpreter runs here, and how fast."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Architecture of the wheels for a 32-bit Python on a 64-bit processor.
_BITS_32 = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}
_NAMES = {"amd64": "x86_64", "arm64": "aarch64"}

# Our name of a CPU feature, and its names in /proc/cpuinfo.
_X86 = {
    "sse4.2": {"sse4_2"},
    "avx": {"avx"},
    "avx2": {"avx2"},
    "avx512f": {"avx512f"},
    "avx512_vnni": {"avx512_vnni"},
    "avx_vnni": {"avx_vnni"},
}
_ARM = {"neon": {"neon", "asimd"}, "dotprod": {"asimddp"}, "i8mm": {"i8mm"}}


@dataclass(frozen=True)
class Machine:
    """Platform, processor and memory; what the system does not report is "unknown".

    Parameters
    ----------
    python : str
        Implementation and version.
    system : str
        ``"Linux"``, ``"Darwin"``, ``"Windows"``, ….
    machine : str
        Architecture that Python was built for, as in the names of wheels: ``"aarch64"``,
        ``"armv7l"``, ``"x86_64"``, ….
    libc : str
        Such as ``"glibc 2.36"`` or ``"musl"``.
    cpu : str
        Name of the processor or of the board.
    cpu_features : dict of str to bool
        Whether the processor has the instructions of fast kernels; empty if unknown.
    cores : int
        Number of cores that this process may use.
    memory_bytes, available_bytes : int or None
        Total and available memory.
    threads : dict of str to str or None
        Environment variables that set NumPy's threads; ser-edge uses one thread per inference.
    """

    python: str
    system: str
    machine: str
    libc: str
    cpu: str
    cpu_features: dict[str, bool]
    cores: int
    memory_bytes: int | None
    available_bytes: int | None
    threads: dict[str, str | None]


def this_machine() -> Machine:
    """Inspect the machine that this process runs on.

    Examples
    --------
    >>> this_machine().cores >= 1
    True
    """
    machine = wheel_machine(platform.machine(), 64 if sys.maxsize > 2**32 else 32)
    cpu, features = read_cpu(_read("/proc/cpuinfo"), machine)
    total, available = read_memory(_read("/proc/meminfo"))
    return Machine(
        python=f"{platform.python_implementation()} {platform.python_version()}",
        system=platform.system() or UNKNOWN,
        machine=machine,
        libc=_libc(),
        cpu=cpu or platform.processor() or UNKNOWN,
        cpu_features=features,
        cores=_cores(),
        memory_bytes=total,
        available_bytes=available,
        threads={name: os.environ.get(name) for name in THREAD_VARIABLES},
    )


def wheel_machine(machine: str, bits: int) -> str:
    """Return the architecture in the names of wheels, for a Python of 32 or 64 bits.

    Examples
    --------
    >>> wheel_machine("aarch64", 32), wheel_machine("AMD64", 64), wheel_machine("", 64)
    ('armv7l', 'x86_64', 'unknown')
    """
    name = machine.lower()
    name = _NAMES.get(name, name)
    return (_BITS_32.get(name, name) if bits == 32 else name) or UNKNOWN


def read_cpu(cpuinfo: str, machine: str) -> tuple[str, dict[str, bool]]:
    r"""Parse the processor's name and features from the text of ``/proc/cpuinfo``.

    Examples
    --------
    >>> read_cpu("model name : A\nflags : avx sse4_2\n", "x86_64")[1]["avx2"]
    False
    """
    fields: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    # A Raspberry Pi names the board as `Model`; 64-bit Arm kernels name no processor.
    cpu = fields.get("model name") if machine in ("x86_64", "i686") else None
    cpu = cpu or fields.get("model") or fields.get("model name") or ""
    flags = set((fields.get("flags") or fields.get("features") or "").split())
    names = _X86 if machine in ("x86_64", "i686") else _ARM
    return cpu, {name: bool(any_of & flags) for name, any_of in names.items()} if flags else {}


def read_memory(meminfo: str) -> tuple[int | None, int | None]:
    r"""Parse the total and the available memory from the text of ``/proc/meminfo`` [bytes].

    Examples
    --------
    >>> read_memory("MemTotal:  2 kB\nMemAvailable:  1 kB\n")
    (2048, 1024)
    """
    kib = {}
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        number = value.split()[:1]
        if number and number[0].isdecimal():
            kib[name] = 1024 * int(number[0])
    return kib.get("MemTotal"), kib.get("MemAvailable")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _libc() -> str:
    name, version = platform.libc_ver()
    if name:
        return f"{name} {version}".strip()
    built_for = f"{sysconfig.get_config_var('SOABI')} {sysconfig.get_config_var('HOST_GNU_TYPE')}"
    return "musl" if "musl" in built_for else UNKNOWN


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
