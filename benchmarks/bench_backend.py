"""The endpoint of docs/mobile-backend.md, by ser-edge and by librosa with Keras, under 8 clients.

    python benchmarks/bench_backend.py runs/edge --clips speech/ravdess speech/tess

Each server is one process, its libraries with one thread, on one core; the clients have the others.
They are started in turn, round after round. Linux only: memory and CPU time are read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ser_edge.audio import read

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "mobile-backend.md"
RESULTS = HERE / "results" / "backend.json"
CLIENTS = 8
ROWS = {
    "requests a second": "requests_per_s",
    "median answer [ms]": "p50_ms",
    "95 % of the answers within [ms]": "p95_ms",
    "CPU time a request [ms]": "cpu_ms_per_request",
    "peak memory [MiB]": "peak_rss_mib",
    "ready after [s]": "start_s",
}
SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class Contender:
    """One way to serve the endpoint, and what was measured of it."""

    name: str
    code: str
    folder: Path
    start_s: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        p50, p95 = np.percentile(self.latency_ms, [50, 95]).tolist()
        rounded = {
            "requests_per_s": statistics.median(self.per_s),
            "p50_ms": p50,
            "p95_ms": p95,
            "cpu_ms_per_request": statistics.median(self.cpu_ms),
            "peak_rss_mib": max(self.peak_mib),
            "start_s": statistics.median(self.start_s),
        }
        return {name: round(value, 2) for name, value in rounded.items()} | {
            "n_requests": len(self.latency_ms)
        }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "run_folder", type=Path, help="what `ser-edge train` wrote, with its bundle"
    )
    parser.add_argument("--clips", type=Path, nargs="*", help="folders; default the golden clips")
    parser.add_argument("--n-clips", type=int, default=60, help="drawn from them; default 60")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--requests", type=int, default=240, help="a round, at most; default 240")
    parser.add_argument("--seconds", type=float, default=20, help="a round, at most; default 20")
    arguments = parser.parse_args(argv)
    run = arguments.run_folder.resolve()
    bodies = recordings(arguments.clips, run / "bundle", arguments.n_clips)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    ours = Contender("ser-edge, LiteRT int8", code, run / "bundle")
    theirs = Contender(
        "librosa + Keras", code.replace("from ser_edge import", "from keras_classifier import"), run
    )
    for turn in range(arguments.rounds):
        for contender in (ours, theirs) if turn % 2 else (theirs, ours):
            print(f"round {turn + 1} of {arguments.rounds}: {contender.name}", file=sys.stderr)
            with serving(contender) as (port, process):
                measure(contender, port, process, bodies, arguments)
    same = [ours.answers[i]["label"] == theirs.answers[i]["label"] for i in ours.answers]
    result = {
        "contenders": {c.name: c.figures() for c in (ours, theirs)},
        "same_label": f"{sum(same)} of {len(same)} clips",
        "clips": [str(folder.name) for folder in arguments.clips or ()] or "golden",
        "clients": CLIENTS,
        "rounds": arguments.rounds,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": machine(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(table(result))


def recordings(folders: Sequence[Path] | None, bundle: Path, count: int) -> list[bytes]:
    """Draw clips, each as a WAV file of 16 bits."""
    if folders:
        paths = sorted(path for folder in folders for path in folder.rglob("*.*"))
        paths = [path for path in paths if path.suffix in (".wav", ".flac")]
        drawn = random.Random(0).sample(paths, min(count, len(paths)))
        return [as_wav(*read(path)) for path in drawn]
    with np.load(bundle / "golden.npz", allow_pickle=False) as golden:
        samples = [golden[name] for name in golden.files if name.endswith("_samples")]
    return [as_wav(clip / np.float32(32768), 22050) for clip in samples]


def as_wav(samples: Any, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(np.round(32767 * np.clip(samples, -1, 1)).astype("<i2").tobytes())
    return file.getvalue()


@contextlib.contextmanager
def serving(contender: Contender) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Start a server on the first core, and wait until it answers."""
    cores = sorted(os.sched_getaffinity(0))
    surroundings = {
        **os.environ,
        **dict.fromkeys(SINGLE, "1"),
        "SER_EDGE_BUNDLE": str(contender.folder),
        "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        Path(folder, "server.py").write_text(contender.code, "utf-8")
        command = [sys.executable, "-m", "uvicorn", "server:app", "--app-dir", folder]
        command += ["--port", "0", "--no-access-log"]
        started = time.perf_counter()
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, stdout=stderr, stderr=stderr, env=surroundings)
        os.sched_setaffinity(process.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            while not (found := re.search(r"running on http://[\d.]+:(\d+)", log.read_text())):
                if process.poll() is not None or time.perf_counter() - started > 120:
                    raise SystemExit(f"the server did not start:\n{log.read_text()}")
                time.sleep(0.02)
            contender.start_s.append(time.perf_counter() - started)
            yield int(found[1]), process
        finally:
            process.terminate()
            process.wait()
            os.sched_setaffinity(0, cores)


def measure(
    contender: Contender,
    port: int,
    process: subprocess.Popen[bytes],
    bodies: list[bytes],
    arguments: argparse.Namespace,
) -> None:
    """Send every clip once to warm up, and then let the clients loose."""

    def client(numbers: list[int], end: float) -> list[float]:
        times = []
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for i in numbers:
            begun = time.perf_counter()
            if begun > end:
                break
            connection.request("POST", "/predict", bodies[i])
            response = connection.getresponse()
            content = response.read()
            times.append(1e3 * (time.perf_counter() - begun))
            if response.status != 200:
                raise SystemExit(f"{contender.name}: {response.status} {content.decode()}")
            contender.answers[i] = json.loads(content)
        connection.close()
        return times

    client(list(range(len(bodies))), time.perf_counter() + 60)
    order = [i % len(bodies) for i in range(arguments.requests)]
    cpu_s, started = cpu_seconds(process.pid), time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = [order[i::CLIENTS] for i in range(CLIENTS)]
        waits = [pool.submit(client, part, started + arguments.seconds) for part in parts]
        times = [time_ms for wait in waits for time_ms in wait.result()]
    contender.per_s.append(len(times) / (time.perf_counter() - started))
    contender.cpu_ms.append(1e3 * (cpu_seconds(process.pid) - cpu_s) / len(times))
    contender.latency_ms += times
    status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    contender.peak_mib.append(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    return f"{found[1] if found else platform.machine()}, {os.cpu_count()} cores"


def table(result: dict[str, Any]) -> str:
    """Lay the figures out as docs/mobile-backend.md shows them."""
    ours, theirs = result["contenders"].values()
    lines = ["| | " + " | ".join(result["contenders"]) + " | ratio |", "| --- | --- | --- | --- |"]
    for name, figure in ROWS.items():
        a, b = ours[figure], theirs[figure]
        lines.append(f"| {name} | {a:.3g} | {b:.3g} | {max(a, b) / min(a, b):.1f} |")
    return "\n".join([*lines, "", f"same label on {result['same_label']}"])


if __name__ == "__main__":
    main()
