"""One recording, one process, from its start to its end: `ser-edge predict` and a notebook's way.

Each way is a process that reads the clip and the network and says a label; all must say the same.
They take turns, once with the default number of threads and once with a single one; the first turn
is not counted, so that files and caches are warm for all. Time is user and system time of the
process, memory its peak resident set, both as the kernel counts them; figures are medians.

python benchmarks/bench_start.py --run RUN --clip CLIP.wav

writes ``results/start.json``; report.py makes README's table of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import record

HERE = Path(__file__).parent
NOTEBOOK = "librosa + Keras"
# Backend, the package that it needs, and the files that it reads.
BACKENDS = (
    ("litert", "ai_edge_litert", "*.int8.tflite"),
    ("tflite", "tflite_runtime", "*.float32.tflite"),
    ("onnx", "onnxruntime", "*.int8.onnx"),
    ("numeric", "numpy", "*.float32.npz"),
)
THREADS = (
    "OMP_NUM_THREADS OPENBLAS_NUM_THREADS TF_NUM_INTRAOP_THREADS TF_NUM_INTEROP_THREADS".split()
)

Turn = dict[str, float]


def contenders(run: Path, clip: str) -> dict[str, list[str]]:
    """Return the command of each way that can be gone here."""
    ser_edge = str(Path(sysconfig.get_path("scripts"), "ser-edge"))
    bundle = run / "bundle"
    ways = {}
    for backend, package, files in BACKENDS:
        if find_spec(package) is None or not any(bundle.glob(files)):
            print(f"ser-edge, {backend}: left out, no {package} or no {files} in {bundle}")
            continue
        words = ["predict", clip, "--bundle", str(bundle), "--backend", backend, "--json"]
        ways[f"ser-edge, {backend}"] = [ser_edge, *words]
    for name, way in (("librosa + ONNX Runtime", "onnxruntime"), (NOTEBOOK, "keras")):
        ways[name] = [sys.executable, str(HERE / "notebook.py"), way, str(run), clip]
    return ways


def turn(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, Turn]:
    """Run a command to its end, and return the label that it says and what it took.

    This process imports next to nothing, for the peak of a child includes that of its parent.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ends with {process.returncode}; try it by itself")
    unit = 1 if sys.platform == "darwin" else 1024
    took = {
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss * unit / 2**20,
        "wall_s": time.perf_counter() - started,
    }
    return json.loads(said.splitlines()[-1])["label"], took


def measure(
    ways: Mapping[str, Sequence[str]], environment: Mapping[str, str], repeats: int
) -> dict[str, Turn]:
    """Let all ways take turns, and return the medians of each."""
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        labels = set()
        for name, command in ways.items():
            label, took = turn(command, environment)
            labels.add(label)
            if number:
                turns[name].append(took)
        if len(labels) > 1:
            sys.exit(f"the ways say {labels} of the clip; expected one label, choose a clear clip")
    return {
        name: {what: round(median(t[what] for t in taken), 4) for what in taken[0]}
        for name, taken in turns.items()
    }


def environments() -> dict[str, dict[str, str]]:
    """Return this environment, free of settings that would bias it, and one of a single thread."""
    unwanted = {*THREADS, "PYTHONDONTWRITEBYTECODE"}
    default = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {"default threads": default, "one thread": default | dict.fromkeys(THREADS, "1")}


def print_table(threads: str, medians: Mapping[str, Turn]) -> None:
    """Print the medians, and how often each goes into the notebook's."""
    print(f"\n{threads:<24}    CPU s            peak MiB          wall s")
    notebook = medians[NOTEBOOK]
    for name, took in medians.items():
        cpu, peak = (notebook[what] / took[what] for what in ("cpu_s", "peak_mib"))
        figures = f"{took['cpu_s']:8.3f}  1/{cpu:<5.1f} {took['peak_mib']:9.1f}  1/{peak:<5.1f}"
        print(f"{name:<24} {figures} {took['wall_s']:8.3f}")


def main() -> None:
    """Measure, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="a run with its bundle")
    parser.add_argument("--clip", required=True, help="a WAV recording")
    parser.add_argument("--repeats", type=int, default=9, help="turns that count; default 9")
    arguments = parser.parse_args()
    ways = contenders(arguments.run, arguments.clip)
    medians = {}
    for threads, environment in environments().items():
        medians[threads] = measure(ways, environment, arguments.repeats)
        print_table(threads, medians[threads])
    print(record.write("start", {"repeats": arguments.repeats, "medians": medians}))


if __name__ == "__main__":
    main()
