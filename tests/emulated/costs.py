"""Costs that an emulated device shares with a real one: instructions, memory, disk space."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from emulated.devices import Device
from emulated.roots import PYTHON
from ser_edge.backends import INTERPRETERS

_HERE = Path(__file__).parent
_COUNTS = 2, 12
_DEBIANS = "usr/lib/python3/dist-packages"


@dataclass(frozen=True)
class Cost:
    """Cost of one interpreter on a device.

    Attributes
    ----------
    backend : str
    instructions : int, optional
        Executed for a prediction of one window, features included.
    start_instructions : int, optional
        Executed until the first prediction.
    peak_mib : float
        Peak of the process's resident memory over some predictions [MiB].
    disk_mb : float
    n_files : int
        Disk space [MB] and number of files of ser-edge, NumPy, the interpreter and its
        dependencies.
    """

    backend: str
    instructions: int | None
    start_instructions: int | None
    peak_mib: float
    disk_mb: float
    n_files: int


def costs(device: Device, root: Path, backends: Sequence[str]) -> Iterator[Cost]:
    """Predict with each interpreter; instructions need a C compiler."""
    counter = _counter(device, root)
    for backend in backends:
        _run(root, backend, 1, None)  # compiles the modules
        found = [_run(root, backend, count, counter) for count in _COUNTS]
        space = float(found[1]["peak"]), *installed(root, INTERPRETERS[backend].extra)
        if counter is None:
            yield Cost(backend, None, None, *space)
            continue
        few, many = (int(one["executed"]) for one in found)
        each = (many - few) // (_COUNTS[1] - _COUNTS[0])
        yield Cost(backend, each, few - (_COUNTS[0] - 1) * each, *space)


def _run(root: Path, backend: str, count: int, counter: Path | None) -> dict[str, str]:
    options = "" if counter is None else f"-plugin {counter}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [root / PYTHON, _HERE / "predictions.py", backend, str(count)],
        env=environment | {"EMULATOR_OPTIONS": options, "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(re.findall(r"^(peak|executed) ([\d.]+)", done.stdout + done.stderr, re.MULTILINE))


def _counter(device: Device, root: Path) -> Path | None:
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    emulator = device.processor.emulator
    done = subprocess.run([emulator, "--version"], capture_output=True, text=True, check=True)
    match = re.search(r"version (\d+)", done.stdout)
    assert match is not None, done.stdout
    interface = 1 if int(match[1]) < 9 else 2
    library, source = root / "count_instructions.so", _HERE / "count_instructions.c"
    flags = ("-O2", "-shared", "-fPIC", f"-DPLUGIN_VERSION={interface}")
    subprocess.run([compiler, *flags, "-o", library, source], check=True)
    return library


def installed(root: Path, extra: str) -> tuple[float, int]:
    """Measure what pip installed for ser-edge and one extra, and Debian's NumPy if used.

    Returns
    -------
    disk_mb : float
    n_files : int
    """
    folders = [*root.glob("usr/local/lib/python3.*/dist-packages"), root / _DEBIANS]
    there = {canonicalize_name(d.name): d for d in distributions(path=[str(f) for f in folders])}
    needed: dict[str, Distribution] = {}
    waiting = [(canonicalize_name("ser-edge"), extra)]
    while waiting:
        name, its_extra = waiting.pop()
        if name in needed or name not in there:
            continue
        needed[name] = there[name]
        for line in there[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": its_extra}):
                waiting.append((canonicalize_name(requirement.name), ""))
    paths = {path for one in needed.values() for path in _files(one)}
    return sum(path.stat().st_size for path in paths) / 1e6, len(paths)


def _files(distribution: Distribution) -> Iterator[Path]:
    recorded = [Path(str(distribution.locate_file(path))) for path in distribution.files or ()]
    if not any(path.suffix == ".py" for path in recorded):  # Debian's packages have no such list
        recorded = list(Path(str(distribution.locate_file(distribution.name))).rglob("*"))
    return (path for path in recorded if path.suffix != ".pyc" and path.is_file())
