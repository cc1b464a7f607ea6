"""All tests on one device, with their progress."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from emulated.clips import write_clips
from emulated.costs import Cost, costs
from emulated.devices import Device
from emulated.differences import Difference, differences
from emulated.roots import PYTHON, SOURCE, pip_on_device, root_of, tools
from emulated.suite import DESELECTED
from ser_edge import Bundle
from ser_edge.backends import INTERPRETERS
from ser_edge.bundle import PRETRAINED
from ser_edge_train.tables import markdown_table

RESULTS = SOURCE / "build" / "emulated"
_HERE = Path(__file__).parent
_BUNDLES = PRETRAINED, SOURCE / "tests" / "data" / "bundle"


class Examination:
    """Tests a device and collects the failures.

    Parameters
    ----------
    name : str
    device : Device

    Attributes
    ----------
    failures : list of str
    """

    def __init__(self, name: str, device: Device) -> None:
        self.name, self._device = name, device
        self.failures: list[str] = []
        self._backends = (*device.interpreters, "numeric")
        suffixes = {model.suffix for model in Bundle.open(PRETRAINED).manifest.models}
        # Those with a file in the package's bundle.
        self._usual = [name for name in self._backends if INTERPRETERS[name].suffix in suffixes]

    def run(self, tests: Sequence[str]) -> None:
        """Test everything, run these test files, and write the results to ``build/emulated``.

        Raises
        ------
        ImpossibleError
            If this machine cannot emulate the device.
        """
        device = self._device
        print(f"{self.name}: {device.processor.cpu}, Debian {device.suite}, Python {device.python}")
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            with _step("files of the device"):
                tools(device)
                wheel = _built(work)
                self._root = root_of(self.name, device, wheel)
            with _step("install the wheel, offline"):
                pip_on_device(self._root, "--no-deps", "--force-reinstall", str(wheel))
            clips = work / "clips"
            n_real = write_clips(clips)
            if not n_real:
                print("  SKIPPED real clips: no corpora; set SER_EDGE_CORPORA")
            self._verify()
            found = self._compare(work, clips)
            cost = self._costs()
            if n_real:
                self._predict(sorted(clips.glob("*.wav"))[0])
            if tests:
                self._test(work, tests)
        RESULTS.mkdir(parents=True, exist_ok=True)
        results = {
            "device": self.name,
            "failures": self.failures,
            "differences": [asdict(row) for row in found],
            "costs": [asdict(row) for row in cost],
        }
        path = RESULTS / f"{self.name}.json"
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        for failure in self.failures:
            print(f"  FAILED {failure}")
        print(f"{self.name}: {'FAILED' if self.failures else 'ok'}, {path}", flush=True)

    def _verify(self) -> None:
        for bundle in _BUNDLES:
            with _step(f"ser-edge verify {bundle.name}"):
                done = self._command("verify", bundle)
                if done.returncode:
                    self.failures.append(f"verify {bundle.name}\n{done.stdout}{done.stderr}")

    def _predict(self, clip: Path) -> None:
        """Predict one clip with each interpreter, there and here."""
        with _step("ser-edge predict"):
            here = Path(sys.executable).with_name("ser-edge")
            done = subprocess.run(
                [here, "predict", clip, "--json"], capture_output=True, text=True, check=True
            )
            expected = json.loads(done.stdout)["label"]
            for backend in self._usual:
                done = self._command("predict", clip, "--json", "--backend", backend)
                found = json.loads(done.stdout)["label"] if done.stdout else done.stderr
                if found != expected:
                    self.failures.append(f"predict by {backend}: {found}; expected {expected}")

    def _compare(self, work: Path, clips: Path) -> list[Difference]:
        outputs = []
        for where, python in (("here", sys.executable), ("there", self._root / PYTHON)):
            with _step(f"outputs {where}"):
                out = work / f"{where}.npz"
                command = [
                    str(word) for word in (python, _HERE / "outputs.py", clips, out, *_BUNDLES)
                ]
                done = subprocess.run(
                    command, cwd=work, env=_quiet(), capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stderr
                with np.load(out, allow_pickle=False) as arrays:
                    outputs.append(dict(arrays))
        ran = {key.split("/")[1].split()[0] for key in outputs[1] if " " in key}
        if ran != set(self._backends):
            self.failures.append(f"backends: {sorted(ran)}, expected {sorted(self._backends)}")
        rows = list(differences(*outputs))
        header = ["bundle", "variant", "clips", "largest difference", "steps", "other labels", ""]
        print(markdown_table(header, [_cells(row) for row in rows]))
        self.failures += [f"{row} is too far" for row in rows if not row.fits]
        return rows

    def _costs(self) -> list[Cost]:
        with _step("costs"):
            rows = list(costs(self._device, self._root, self._usual))
        for row in rows:
            instructions = "?" if row.instructions is None else f"{row.instructions / 1e6:.1f} M"
            print(
                f"  {row.backend}: {instructions} instructions per prediction, "
                f"peak {row.peak_mib:.1f} MiB, {row.disk_mb:.1f} MB in {row.n_files} files"
            )
        return rows

    def _test(self, work: Path, names: Sequence[str]) -> None:
        files = [str(SOURCE / "tests" / f"test_{name}.py") for name in names]
        settings = ["-q", "-m", "not training", "-p", "no:cacheprovider", "--durations=15"]
        settings += [
            "--numprocesses=2",
            "--dist=worksteal",
        ]  # the emulator runs one thread at a time
        configured = ["-c", str(SOURCE / "pyproject.toml")]
        configured += [f"--deselect=tests/{test}" for test in DESELECTED]
        with _step(f"tests, {len(files)} files"):
            done = subprocess.run(
                [str(self._root / PYTHON), "-m", "pytest", *settings, *configured, *files],
                cwd=work,
                env=_quiet() | {"PYTHONPATH": str(self._root / "testing")},
                capture_output=True,
                text=True,
                check=False,
            )
        print("  " + (done.stdout.strip().splitlines() or ["no output"])[-1])
        if done.returncode:
            self.failures.append(f"tests\n{done.stdout}{done.stderr}")

    def _command(self, *words: object) -> subprocess.CompletedProcess[str]:
        program = (self._root / PYTHON).with_name("ser-edge")
        command = [str(word) for word in (program, *words)]
        return subprocess.run(command, env=_quiet(), capture_output=True, text=True, check=False)


def _built(work: Path) -> Path:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(work)]
    done = subprocess.run([*build, str(SOURCE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = work.glob("*.whl")
    return wheel


def _quiet() -> dict[str, str]:
    """Return an environment with one thread and no other import paths."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _cells(row: Difference) -> tuple[str, ...]:
    steps = "" if row.steps is None else f"{row.steps:.2f}"
    verdict = "" if row.fits else "TOO FAR"
    largest = f"{row.largest:.1e}"
    return row.bundle, row.variant, str(row.n_clips), largest, steps, str(row.others), verdict


@contextmanager
def _step(name: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"  {name} …", end=" ", flush=True)
    yield
    print(f"{time.monotonic() - began:.0f} s", flush=True)
