"""What does a process cost from its start to the label of one clip: ser-edge and a notebook?

Each process reads the clip and the network and prints a label; all labels must be the same. The
processes take turns, with the default number of threads and with one; the first turn is not
counted, so that caches are warm for all. Time is the process's user and system time, memory its
peak resident set; figures are medians.

python benchmarks/startup.py --run RUN --clip CLIP.wav

writes ``results/startup.json``.
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

from measuring import results

NOTEBOOK = "librosa + Keras"
# Backend, its package, and its model files.
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


def commands(run: Path, clip: str) -> dict[str, list[str]]:
    """Return the commands whose packages and model files are here."""
    ser_edge = str(Path(sysconfig.get_path("scripts"), "ser-edge"))
    bundle = run / "bundle"
    found = {}
    for backend, package, files in BACKENDS:
        if find_spec(package) is None or not any(bundle.glob(files)):
            print(f"ser-edge, {backend}: left out, needs {package} and {bundle / files}")
            continue
        words = ["predict", clip, "--bundle", str(bundle), "--backend", backend, "--json"]
        found[f"ser-edge, {backend}"] = [ser_edge, *words]
    notebook = str(Path(__file__).parent / "measuring" / "notebook.py")
    for name, package in (("librosa + ONNX Runtime", "onnxruntime"), (NOTEBOOK, "keras")):
        found[name] = [sys.executable, notebook, package, str(run), clip]
    return found


def turn(command: Sequence[str], environment: Mapping[str, str]) -> tuple[str, Turn]:
    """Run a command to its end; return its label and its cost.

    A child's peak memory includes its parent's at the start, so this script imports very little.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} exited with {process.returncode}; run it by itself")
    unit = 1 if sys.platform == "darwin" else 1024
    cost = {
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss * unit / 2**20,
        "wall_s": time.perf_counter() - started,
    }
    return json.loads(output.splitlines()[-1])["label"], cost


def measure(
    named: Mapping[str, Sequence[str]], environment: Mapping[str, str], repeats: int
) -> dict[str, Turn]:
    """Run all commands in turns, and return the medians of each."""
    turns: dict[str, list[Turn]] = {name: [] for name in named}
    for number in range(repeats + 1):
        labels = set()
        for name, command in named.items():
            label, cost = turn(command, environment)
            labels.add(label)
            if number:
                turns[name].append(cost)
        if len(labels) > 1:
            sys.exit(f"the labels are {labels}, expected one; choose a clip with a clear label")
    return {
        name: {key: round(median(turn[key] for turn in taken), 4) for key in taken[0]}
        for name, taken in turns.items()
    }


def environments() -> dict[str, dict[str, str]]:
    """Return this environment without settings that bias it, and the same with one thread."""
    unwanted = {*THREADS, "PYTHONDONTWRITEBYTECODE"}
    default = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {"default threads": default, "one thread": default | dict.fromkeys(THREADS, "1")}


def print_table(threads: str, medians: Mapping[str, Turn]) -> None:
    """Print the medians, and each as a fraction of the notebook's."""
    print(f"\n{threads:<24}    CPU s            peak MiB          wall s")
    notebook = medians[NOTEBOOK]
    for name, cost in medians.items():
        cpu, peak = (notebook[key] / cost[key] for key in ("cpu_s", "peak_mib"))
        figures = f"{cost['cpu_s']:8.3f}  1/{cpu:<5.1f} {cost['peak_mib']:9.1f}  1/{peak:<5.1f}"
        print(f"{name:<24} {figures} {cost['wall_s']:8.3f}")


def main() -> None:
    """Measure, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="a run with its bundle")
    parser.add_argument("--clip", required=True, help="a WAV recording")
    parser.add_argument("--repeats", type=int, default=9, help="turns; default 9")
    arguments = parser.parse_args()
    named = commands(arguments.run, arguments.clip)
    medians = {}
    for threads, environment in environments().items():
        medians[threads] = measure(named, environment, arguments.repeats)
        print_table(threads, medians[threads])
    print(results.write("startup", {"repeats": arguments.repeats, "medians": medians}))


if __name__ == "__main__":
    main()
