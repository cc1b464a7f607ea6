"""Facts about this machine and, from their files, about others."""

import os
import sys
from typing import Any

import pytest

from ser_edge.doctor import machine
from ser_edge.doctor.machine import read_cpu, read_memory, this_machine, wheel_machine

EPYC = """processor\t: 0
model\t\t: 1
model name\t: AMD EPYC 7B13
flags\t\t: fpu sse2 ssse3 sse4_1 sse4_2 fma avx avx2 avx512f

processor\t: 1
model name\t: another
"""
PI_4 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU part\t: 0xd08

Revision\t: c03111
Model\t\t: Raspberry Pi 4 Model B Rev 1.1
"""
PI_5 = PI_4.replace("cpuid", "cpuid asimddp").replace("Pi 4 Model B Rev 1.1", "Pi 5")
PI_32_BIT = """processor\t: 0
model name\t: ARMv7 Processor rev 3 (v7l)
Features\t: half thumb vfp neon vfpv4 crc32
"""


@pytest.mark.parametrize(
    ("cpuinfo", "family", "name", "features"),
    [
        (EPYC, "x86_64", "AMD EPYC 7B13", {"sse4.2", "avx", "avx2", "avx512f"}),
        (PI_4, "aarch64", "Raspberry Pi 4 Model B Rev 1.1", {"neon"}),
        (PI_5, "aarch64", "Raspberry Pi 5", {"neon", "dotprod"}),
        (PI_32_BIT, "armv7l", "ARMv7 Processor rev 3 (v7l)", {"neon"}),
    ],
)
def test_processors(cpuinfo: str, family: str, name: str, features: set[str]) -> None:
    found, has = read_cpu(cpuinfo, family)
    assert found == name
    assert {feature for feature, there in has.items() if there} == features
    every = ["sse4.2", "avx", "avx2", "avx512f", "avx512_vnni", "avx_vnni"]
    assert list(has) == (every if family == "x86_64" else ["neon", "dotprod", "i8mm"])


@pytest.mark.parametrize("text", ["", "\n::\n", "not what was expected", "model name\n"])
def test_nothing_is_made_up(text: str) -> None:
    assert read_cpu(text, "x86_64") == ("", {})
    assert read_memory(text) == (None, None)


def test_memory() -> None:
    assert read_memory("MemTotal:       948304 kB\nMemFree: x\n") == (948304 * 1024, None)


@pytest.mark.parametrize(
    ("name", "bits", "expected"),
    [
        ("aarch64", 64, "aarch64"),
        ("arm64", 64, "aarch64"),
        ("aarch64", 32, "armv7l"),  # Raspberry Pi OS, 32 bits, with its 64-bit kernel
        ("armv7l", 32, "armv7l"),
        ("armv6l", 32, "armv6l"),
        ("x86_64", 32, "i686"),
        ("AMD64", 64, "x86_64"),
    ],
)
def test_architectures_of_wheels(name: str, bits: int, expected: str) -> None:
    assert wheel_machine(name, bits) == expected


def test_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    found = this_machine()
    assert found.python.endswith(".".join(map(str, sys.version_info[:3])))
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.threads == {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": None}
    if sys.platform == "linux":
        assert found.libc.split()[0] in ("glibc", "musl")
        assert found.memory_bytes is not None
        assert found.memory_bytes > 1 << 26


def test_a_system_that_reports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object) -> str:
        return ""

    def no_libc(*_: object) -> tuple[str, str]:
        return "", ""

    for name in ("machine", "processor", "system"):
        monkeypatch.setattr(f"platform.{name}", nothing)
    monkeypatch.setattr("platform.libc_ver", no_libc)
    monkeypatch.setattr("sysconfig.get_config_var", nothing)
    monkeypatch.setattr(machine, "_read", nothing)
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    found: Any = this_machine()
    assert (found.system, found.machine, found.libc, found.cpu) == ("unknown",) * 4
    assert (found.cpu_features, found.memory_bytes, found.available_bytes) == ({}, None, None)
    assert found.cores >= 1


def test_musl(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_libc(*_: object) -> tuple[str, str]:
        return "", ""

    def alpine(name: str) -> str | None:
        return "cpython-312-x86_64-linux-musl" if name == "SOABI" else None

    monkeypatch.setattr("platform.libc_ver", no_libc)
    monkeypatch.setattr("sysconfig.get_config_var", alpine)
    assert this_machine().libc == "musl"
