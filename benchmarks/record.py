"""What a benchmark found: ``results/NAME.json``, with the machine and the versions behind it."""

from __future__ import annotations

import json
import platform
from datetime import date
from pathlib import Path
from typing import Any

from ser_edge.doctor.machine import this_machine
from ser_edge.files import written_whole
from ser_edge_train.versions import versions

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
DISTRIBUTIONS = (
    "ser-edge numpy ai-edge-litert tflite-runtime onnxruntime librosa keras tensorflow-cpu "
    "tensorflow"
).split()


def write(name: str, found: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Write figures beside what made them; the file appears whole or not at all."""
    content = {"about": about(), **found}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    with written_whole(path) as partial:
        partial.write_text(json.dumps(rounded(content), indent=1) + "\n", encoding="utf-8")
    return path


def read(name: str, folder: Path = RESULTS) -> dict[str, Any] | None:
    """Read figures, or return None where there are none yet."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def about() -> dict[str, Any]:
    """Tell the machine, the versions and the day."""
    machine = this_machine()
    return {
        "date": date.today().isoformat(),
        "cpu": machine.cpu,
        "cores": machine.cores,
        "system": f"{machine.system} {platform.machine()}, {machine.libc}",
        "versions": versions(*DISTRIBUTIONS),
    }


def rounded(value: Any, digits: int = 4) -> Any:
    """Keep as many digits of each number as a measurement has, so that files stay small."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    if isinstance(value, dict):
        return {name: rounded(item, digits) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return value
