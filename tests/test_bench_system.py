"""What the operating system reports, here and where it reports nothing; the two clocks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ser_edge_bench import system, timing
from ser_edge_bench.system import choose_cpus, conditions, read_throttled
from ser_edge_bench.timing import Stopwatch

Fresh = Callable[..., subprocess.CompletedProcess[str]]

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_a_machine_that_reports_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = tmp_path / "cpu" / "cpu3" / "cpufreq"
    clock.mkdir(parents=True)
    (clock / "scaling_governor").write_text("ondemand\n")
    (clock / "scaling_cur_freq").write_text("1800000\n")
    for number, text in enumerate(("61234\n", "48000\n", "broken\n")):
        zone = tmp_path / "thermal" / f"thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(text)
    monkeypatch.setattr(system, "_CPUS", tmp_path / "cpu")
    monkeypatch.setattr(system, "_THERMAL", tmp_path / "thermal")
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\n[ $1 = get_throttled ] && echo throttled=0x80008\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = conditions(3)
    assert (found.governor, found.mhz, found.temperature_c) == ("ondemand", 1800, 61.234)
    if os.name == "posix":
        assert found.throttled == ("soft temperature limit", "earlier: soft temperature limit")


def test_a_machine_that_reports_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(system, "_CPUS", tmp_path)
    monkeypatch.setattr(system, "_THERMAL", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delattr("os.getloadavg", raising=False)
    assert set(vars(conditions()).values()) == {None}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("throttled=0x0\n", ()),
        ("throttled=0x1", ("under-voltage",)),
        ("throttled=0x20000", ("earlier: frequency capped",)),
        ("", None),
        ("VCHI initialization failed", None),
    ],
)
def test_throttling(output: str, expected: tuple[str, ...] | None) -> None:
    assert read_throttled(output) == expected
    assert len(read_throttled("throttled=0xf000f") or ()) == 8


def test_the_fastest_and_last_cpus_are_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(system, "_CPUS", tmp_path)
    assert choose_cpus(1) == (3,)
    for cpu in range(4):
        clock = tmp_path / f"cpu{cpu}" / "cpufreq"
        clock.mkdir(parents=True)
        (clock / "cpuinfo_max_freq").write_text("2000\n" if cpu in (1, 2) else "1000\n")
    assert choose_cpus(1) == (2,)
    assert choose_cpus(3) == (3, 1, 2)
    assert set(choose_cpus(64)) == {0, 1, 2, 3}
    monkeypatch.delattr("os.sched_getaffinity")
    assert choose_cpus(2) == ()


@linux
def test_the_peak_begins_anew(fresh: Fresh) -> None:
    code = (
        "from ser_edge_bench.system import reset_peak, resident_bytes, peak_bytes\n"
        "before = bytearray(b'x' * (64 << 20)); del before; first = peak_bytes()\n"
        "reset_peak(); resident = resident_bytes(); work = bytearray(b'x' * (32 << 20)); del work\n"
        "print(first - resident, peak_bytes() - resident)"
    )
    first, peak = map(int, fresh(code).stdout.split())
    assert first > 100 << 20  # the text and its copy
    assert 32 << 20 < peak < 100 << 20


def test_memory_on_other_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(system, "_PROCESS", tmp_path)
    if sys.platform != "win32":
        assert (system.peak_bytes() or 0) > 1 << 20
        assert system.resident_bytes() == system.peak_bytes()
    monkeypatch.setattr("sys.platform", "win32")
    assert system.resident_bytes() is None


@linux
def test_waiting_for_the_cpu_is_subtracted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counters = tmp_path / "schedstat"
    counters.write_text("7000000000 1000000000 9\n")
    clock = iter([10.0, 15.0, 20.0, 21.0])
    monkeypatch.setattr(timing, "_SCHEDSTAT", str(counters))
    monkeypatch.setattr(timing, "perf_counter", lambda: next(clock))
    watch = Stopwatch()
    assert watch.counts_waiting
    assert watch.time(lambda: counters.write_text("9000000000 4000000000 9\n")) == (5.0, 2.0)
    # The clocks are read one after the other; a time is never zero or below.
    assert watch.time(lambda: counters.write_text("9000000000 5000000001 9\n")) == (1.0, 1e-9)


@linux
def test_this_kernel_has_the_counters() -> None:
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("a kernel without CONFIG_SCHED_INFO")
    watch = Stopwatch()
    assert watch.counts_waiting
    before = watch.waited_s()
    assert 0 <= before <= watch.waited_s()


@pytest.mark.parametrize("content", [None, "", "1"])
def test_a_system_without_the_counters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    path, clock = tmp_path / "schedstat", iter([1.0, 3.5])
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(timing, "_SCHEDSTAT", str(path))
    monkeypatch.setattr(timing, "perf_counter", lambda: next(clock))
    watch = Stopwatch()
    assert not watch.counts_waiting
    assert watch.time(lambda: None) == (2.5, 2.5)
