"""Results files ``results/NAME.json``: figures, and the machine and versions that produced them."""

from __future__ import annotations

import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

from ser_edge.doctor.machine import this_machine
from ser_edge.files import written_whole
from ser_edge_train.versions import versions

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
DISTRIBUTIONS = (
    "ser-edge numpy ai-edge-litert tflite-runtime onnxruntime librosa soxr keras tensorflow-cpu "
    "tensorflow"
).split()


def write(name: str, found: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write figures to a results file, which appears whole or not at all."""
    path = folder / f"{name}.json"
    with written_whole(path) as partial:
        text = json.dumps(rounded({"about": about(), **found}), indent=1)
        partial.write_text(f"{text}\n", encoding="utf-8")
    return path


def read(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Read a results file; return None if there is none yet."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def about() -> dict[str, Any]:
    """Describe the day, the machine and the versions."""
    machine = this_machine()
    return {
        "date": date.today().isoformat(),
        "cpu": machine.cpu,
        "cores": machine.cores,
        "system": f"{machine.system} {platform.machine()}, {machine.libc}",
        "versions": versions(*DISTRIBUTIONS),
    }


def rounded(value: Any, digits: int = 4) -> Any:
    """Round every float to a number of significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {name: rounded(item, digits) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value
