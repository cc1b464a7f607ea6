"""How many requests does the endpoint of docs/mobile-backend.md serve: ser-edge, librosa + Keras?

    python benchmarks/backend_service.py runs/edge --clips speech/ravdess speech/tess

writes ``results/backend_service.json`` and the page's table. Each server is one process with one
thread on one core; 8 clients use the others. The servers take turns, round after round. Linux only:
memory and CPU time are read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import json
import os
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

from measuring import document_tables, results
from measuring.speech import audio_files
from ser_edge.audio import read

PAGE = results.ROOT / "docs" / "mobile-backend.md"
CLIENTS = 8
SINGLE = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass
class Server:
    """One implementation of the endpoint, and its measurements."""

    name: str
    code: str
    folder: Path
    start_s: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)

    def figures(self) -> dict[str, float]:
        p50, p95 = np.percentile(self.latency_ms, [50, 95]).tolist()
        return {
            "requests_per_s": statistics.median(self.per_s),
            "p50_ms": p50,
            "p95_ms": p95,
            "cpu_ms_per_request": statistics.median(self.cpu_ms),
            "peak_rss_mib": max(self.peak_mib),
            "start_s": statistics.median(self.start_s),
            "n_requests": len(self.latency_ms),
        }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run_folder", type=Path, help="run of `ser-edge train`, with its bundle")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="folders of clips")
    parser.add_argument("--n-clips", type=int, default=60, help="clips to draw; default 60")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--requests", type=int, default=240, help="max per round; default 240")
    parser.add_argument("--seconds", type=float, default=20, help="max per round; default 20")
    arguments = parser.parse_args(argv)
    run = arguments.run_folder.resolve()
    bodies = wav_bodies(arguments.clips, arguments.n_clips)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    ours = Server("ser-edge, LiteRT int8", code, run / "bundle")
    keras_code = code.replace("from ser_edge import", "from measuring.keras_classifier import")
    theirs = Server("librosa + Keras", keras_code, run)
    for turn in range(arguments.rounds):
        for server in (ours, theirs) if turn % 2 else (theirs, ours):
            print(f"round {turn + 1} of {arguments.rounds}: {server.name}", file=sys.stderr)
            with serving(server) as (port, process):
                measure(server, port, process, bodies, arguments)
    same = [label == theirs.labels[i] for i, label in ours.labels.items()]
    found = {
        "servers": {c.name: c.figures() for c in (ours, theirs)},
        "same_label": f"{sum(same)} of {len(same)} clips",
        "clips": [folder.name for folder in arguments.clips],
        "clients": CLIENTS,
        "rounds": arguments.rounds,
    }
    print(results.write("backend_service", found))
    document_tables.fill_documents()


def wav_bodies(folders: Sequence[Path], count: int) -> list[bytes]:
    """Draw clips, each as the content of a 16-bit WAV file."""
    paths = sorted(path for folder in folders for path in audio_files(folder))
    return [as_wav(*read(path)) for path in random.Random(0).sample(paths, min(count, len(paths)))]


def as_wav(samples: Any, sample_rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, sample_rate, 0, "NONE", ""))
        out.writeframes(np.round(32767 * np.clip(samples, -1, 1)).astype("<i2").tobytes())
    return file.getvalue()


@contextlib.contextmanager
def serving(server: Server) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Start a server on the first core, and wait until it listens."""
    cores = sorted(os.sched_getaffinity(0))
    environment = {
        **os.environ,
        **dict.fromkeys(SINGLE, "1"),
        "SER_EDGE_BUNDLE": str(server.folder),
        "PYTHONPATH": os.pathsep.join([str(results.ROOT), str(results.ROOT / "benchmarks")]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        Path(folder, "server.py").write_text(server.code, "utf-8")
        command = [sys.executable, "-m", "uvicorn", "server:app", "--app-dir", folder]
        command += ["--port", "0", "--no-access-log"]
        started = time.perf_counter()
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, stdout=stderr, stderr=stderr, env=environment)
        os.sched_setaffinity(process.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            while not (found := re.search(r"running on http://[\d.]+:(\d+)", log.read_text())):
                if process.poll() is not None or time.perf_counter() - started > 120:
                    raise SystemExit(f"the server did not start:\n{log.read_text()}")
                time.sleep(0.02)
            server.start_s.append(time.perf_counter() - started)
            yield int(found[1]), process
        finally:
            process.terminate()
            process.wait()
            os.sched_setaffinity(0, cores)


def measure(
    server: Server,
    port: int,
    process: subprocess.Popen[bytes],
    bodies: list[bytes],
    arguments: argparse.Namespace,
) -> None:
    """Send every clip once as a warm-up, then measure all clients at once."""

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
                raise SystemExit(f"{server.name}: {response.status} {content.decode()}")
            server.labels[i] = json.loads(content)["label"]
        connection.close()
        return times

    client(list(range(len(bodies))), time.perf_counter() + 60)
    order = [i % len(bodies) for i in range(arguments.requests)]
    cpu_s, started = cpu_seconds(process.pid), time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = [order[i::CLIENTS] for i in range(CLIENTS)]
        waits = [pool.submit(client, part, started + arguments.seconds) for part in parts]
        times = [time_ms for wait in waits for time_ms in wait.result()]
    server.per_s.append(len(times) / (time.perf_counter() - started))
    server.cpu_ms.append(1e3 * (cpu_seconds(process.pid) - cpu_s) / len(times))
    server.latency_ms += times
    status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    server.peak_mib.append(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
