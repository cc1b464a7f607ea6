"""Predictions of two machines are compared; the emulators themselves run by ``make test-arm64``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("platformdirs")

from emulated.costs import installed
from emulated.devices import DEVICES
from emulated.differences import Difference, differences
from emulated.roots import SOURCE, constraints
from emulated.suite import COMPUTING, DESELECTED, REST

STEP = 0.05
N = 200


@pytest.fixture
def outputs(rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    return {
        "small/features": rng.uniform(-1000, 100, (N, 9, 4)).astype(np.float32),
        "small/clips": np.arange(N) // 2,
        "small/temperature": np.array(1.5),
        "small/numeric float32": rng.normal(size=(N, 3)).astype(np.float32),
        "small/litert int8": (STEP * rng.integers(-99, 99, (N, 3))).astype(np.float32),
    }


def compared(here: dict[str, NDArray[Any]], **there: NDArray[Any]) -> dict[str, Difference]:
    changed = {f"small/{name.replace('_', ' ')}": values for name, values in there.items()}
    return {row.variant: row for row in differences(here, here | changed)}


def test_equal_outputs(outputs: dict[str, NDArray[Any]]) -> None:
    rows = compared(outputs)
    assert set(rows) == {"features", "numeric float32", "litert int8"}
    assert all(row.fits and row.largest == row.others == 0 for row in rows.values())
    assert {(row.n_clips, row.n_windows) for row in rows.values()} == {(N // 2, N)}


def test_large_differences_do_not_fit(outputs: dict[str, NDArray[Any]]) -> None:
    assert compared(outputs, features=outputs["small/features"] + 5e-5)["features"].fits
    assert not compared(outputs, features=outputs["small/features"] + 2e-4)["features"].fits
    floats = outputs["small/numeric float32"]
    nudge = np.eye(N, 3, dtype=np.float32)
    assert compared(outputs, numeric_float32=floats + 1e-4 * nudge)["numeric float32"].fits
    assert not compared(outputs, numeric_float32=floats + 1e-2 * nudge)["numeric float32"].fits
    steps = outputs["small/litert int8"]
    one = compared(outputs, litert_int8=steps + np.float32(STEP) * nudge)["litert int8"]
    assert one.steps == pytest.approx(1, abs=1e-3)
    assert one.fits == (one.others == 0)
    two = compared(outputs, litert_int8=steps + np.float32(2 * STEP) * nudge)["litert int8"]
    assert two.steps == pytest.approx(2, abs=1e-3)
    assert not two.fits


def test_steps_of_a_last_layer_in_float32(
    outputs: dict[str, NDArray[Any]], rng: np.random.Generator
) -> None:
    outputs["small/litert int8"] = rng.uniform(-5, 5, (N, 3)).astype(np.float32)
    outputs["small/litert int8"][:4] = (1, 0, -1)
    span = np.ptp(outputs["small/litert int8"])
    for steps, fits in ((0.5, True), (2, False)):
        moved = outputs["small/litert int8"] + np.float32(steps * span / 255) * np.eye(N, 3)
        row = compared(outputs, litert_int8=moved)["litert int8"]
        assert row.steps == pytest.approx(steps, abs=1e-3)
        assert (row.fits, row.others) == (fits, 0)
        assert row.largest > 1e-3


def test_another_label_does_not_fit(outputs: dict[str, NDArray[Any]]) -> None:
    floats = outputs["small/numeric float32"]
    floats[:2] = (5, 0, 0)
    other = floats.copy()
    other[:2] = (0, 5, 0)
    row = compared(outputs, numeric_float32=other)["numeric float32"]
    assert (row.others, row.fits) == (1, False)


def test_constraints_of_the_devices_python() -> None:
    lines = {name: constraints(device).splitlines() for name, device in DEVICES.items()}
    assert any(line.startswith("numpy==1.26") for line in lines["arm64-bookworm"])
    assert any(line.startswith("numpy==2") for line in lines["arm64-trixie"])
    assert any(line.startswith("tflite-runtime==") for line in lines["arm64-bookworm"])
    assert not any(line.startswith("tflite-runtime==") for line in lines["arm64-trixie"])


def test_the_suite_names_existing_tests() -> None:
    tests = SOURCE / "tests"
    assert all((tests / f"test_{name}.py").exists() for name in COMPUTING + REST)
    for test in DESELECTED:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (tests / file).read_text("utf-8")


def test_installed_sizes(tmp_path: Path) -> None:
    def install(name: str, *requires: str) -> None:
        folder = tmp_path / "usr/local/lib/python3.11/dist-packages"
        (folder / f"{name}.dist-info").mkdir(parents=True)
        needs = "".join(f"Requires-Dist: {line}\n" for line in requires)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n{needs}"
        (folder / f"{name}.dist-info/METADATA").write_text(metadata)
        (folder / f"{name}.dist-info/RECORD").write_text(f"{name}/a.py,,\n{name}/a.pyc,,\n")
        (folder / name).mkdir()
        (folder / name / "a.py").write_bytes(bytes(1000))
        (folder / name / "a.pyc").write_bytes(bytes(100))

    install("ser_edge", "numpy", "big; extra == 'big'", "mic; extra == 'mic'")
    install("big", "numpy", "small")
    install("mic")
    install("small")
    debians = tmp_path / "usr/lib/python3/dist-packages"
    (debians / "numpy").mkdir(parents=True)
    (debians / "numpy/b.py").write_bytes(bytes(5000))
    (debians / "numpy-1.egg-info").mkdir()
    (debians / "numpy-1.egg-info/PKG-INFO").write_text("Metadata-Version: 2.1\nName: numpy\n")
    assert installed(tmp_path, "") == (0.006, 2)
    assert installed(tmp_path, "big") == (0.008, 4)
