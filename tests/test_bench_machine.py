"""What the system tells while it is measured on, here and where it tells nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ser_edge_bench import conditions as states
from ser_edge_bench import memory, pinning, stopwatch
from ser_edge_bench.conditions import conditions, read_throttled
from ser_edge_bench.pinning import children_on, cpus_for
from ser_edge_bench.stopwatch import Stopwatch

Fresh = Callable[..., subprocess.CompletedProcess[str]]

linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")


def test_a_machine_that_tells_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = tmp_path / "cpu" / "cpu3" / "cpufreq"
    clock.mkdir(parents=True)
    (clock / "scaling_governor").write_text("ondemand\n")
    (clock / "scaling_cur_freq").write_text("1800000\n")
    for number, text in enumerate(("61234\n", "48000\n", "broken\n")):
        zone = tmp_path / "thermal" / f"thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(text)
    monkeypatch.setattr(states, "_CPUS", tmp_path / "cpu")
    monkeypatch.setattr(states, "_THERMAL", tmp_path / "thermal")
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\n[ $1 = get_throttled ] && echo throttled=0x80008\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = conditions(3)
    assert (found.governor, found.mhz, found.temperature_c) == ("ondemand", 1800, 61.234)
    if os.name == "posix":
        assert found.throttled == (
            "soft temperature limit",
            "earlier: soft temperature limit",
        )


def test_a_machine_that_tells_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(states, "_CPUS", tmp_path)
    monkeypatch.setattr(states, "_THERMAL", tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delattr("os.getloadavg", raising=False)
    found = conditions()
    assert [getattr(found, name) for name in vars(found)] == [None] * 5


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("throttled=0x0\n", ()),
        ("throttled=0x1", ("under-voltage",)),
        ("throttled=0xf000f", None),
        ("", None),
        ("VCHI initialization failed", None),
    ],
)
def test_throttling(told: str, expected: tuple[str, ...] | None) -> None:
    found = read_throttled(told)
    if told.startswith("throttled=0xf"):
        assert found is not None
        assert len(found) == 8
    else:
        assert found == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity")
def test_children_are_kept_on_a_cpu(fresh: Fresh) -> None:
    allowed = os.sched_getaffinity(0)
    cpus = cpus_for(1)
    assert len(cpus) == 1
    assert set(cpus) <= allowed
    assert set(cpus_for(64)) == allowed
    with children_on(cpus) as pinned:
        done = fresh("import os; print(*os.sched_getaffinity(0))")
    assert pinned
    assert done.stdout.split() == [str(cpus[0])]
    assert os.sched_getaffinity(0) == allowed


def test_the_fastest_cpu_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(pinning, "_highest_khz", lambda cpu: 2000 if cpu in (1, 2) else 1000)
    assert cpus_for(1) == (2,)
    assert cpus_for(3) == (3, 1, 2)


def test_a_system_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert cpus_for(2) == ()
    with children_on(()) as pinned:
        assert not pinned


def test_a_system_that_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)
    monkeypatch.setattr("os.sched_setaffinity", refuse, raising=False)
    with children_on((0,)) as pinned:
        assert not pinned


@linux
def test_the_peak_is_that_of_the_work(fresh: Fresh) -> None:
    code = (
        "from ser_edge_bench.memory import forget_peak, held_bytes, peak_bytes\n"
        "import sys; before = bytearray(b'x' * (64 << 20)); del before; first = peak_bytes()\n"
        "forget_peak(); held = held_bytes(); work = bytearray(b'x' * (32 << 20)); del work\n"
        "print(first - held, peak_bytes() - held)"
    )
    first, peak = map(int, fresh(code).stdout.split())
    assert first > 100 << 20  # the text and its copy
    assert 32 << 20 < peak < 100 << 20


def test_memory_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_STATUS", tmp_path / "status")
    if sys.platform != "win32":
        assert (memory.peak_bytes() or 0) > 1 << 20
        assert memory.held_bytes() == memory.peak_bytes()
    monkeypatch.setattr("sys.platform", "win32")
    assert memory.held_bytes() is None


def test_a_call_that_waits_by_itself_is_slow() -> None:
    wall_s, own_s = Stopwatch().time(lambda: time.sleep(0.05))
    assert 0.04 < own_s <= wall_s


@linux
def test_waiting_for_the_cpu_is_not_its_own() -> None:
    """Two that want the same CPU each get half of it."""
    watch = Stopwatch()
    if not watch.counts_waiting:
        pytest.skip("this kernel does not count")
    cpus = cpus_for(1)
    allowed = os.sched_getaffinity(0)
    rival = "import os; os.sched_setaffinity(0, CPUS); print(flush=True)\nwhile 1: pass"
    with subprocess.Popen(
        [sys.executable, "-c", rival.replace("CPUS", str(cpus))], stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            os.sched_setaffinity(0, cpus)

            def busy() -> None:
                until = time.process_time() + 0.3
                while time.process_time() < until:
                    pass

            wall_s, own_s = watch.time(busy)
        finally:
            os.sched_setaffinity(0, allowed)
            process.kill()
    assert wall_s > 1.3 * own_s > 0.3


def test_a_system_that_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "schedstat"
    for content in (None, "", "1"):
        if content is not None:
            path.write_text(content)
        monkeypatch.setattr(stopwatch, "_PATH", str(path))
        watch = Stopwatch()
        assert not watch.counts_waiting
        wall_s, own_s = watch.time(lambda: None)
        assert wall_s == own_s or own_s == 1e-9
