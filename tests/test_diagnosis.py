"""The report of `ser-edge doctor` as text."""

import dataclasses
from typing import Any

import pytest

from ser_edge.doctor.diagnosis import BackendReport, Diagnosis
from ser_edge.doctor.machine import Machine

PI = Machine(
    python="CPython 3.11.2",
    system="Linux",
    machine="armv7l",
    libc="glibc 2.36",
    cpu="Raspberry Pi 3 Model B",
    cpu_features={"neon": True, "dotprod": False},
    cores=1,
    memory_bytes=948304 * 1024,
    available_bytes=None,
    threads={"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": None},
)
LITERT = BackendReport(
    name="litert",
    package="ai-edge-litert",
    version=None,
    state="no wheel",
    detail="not available for Linux on armv7l",
    remedy="",
    skipped=True,
)
TFLITE = BackendReport(
    name="tflite",
    package="tflite-runtime",
    version="2.14.0",
    state="dies",
    detail="on import: ended by SIGILL (illegal instruction)",
    remedy="pip uninstall tflite-runtime",
    skipped=False,
    wall_ms=812,
    signal="SIGILL",
)
NUMERIC = BackendReport(
    name="numeric",
    package="numpy",
    version="1.26.4",
    state="runs",
    detail="model.float32.npz",
    remedy="",
    skipped=False,
    wall_ms=3456,
)
DIAGNOSIS = Diagnosis(
    ser_edge="0.1.0",
    machine=PI,
    numpy="1.26.4",
    blas="openblas 0.3.21",
    numpy_problem="",
    numpy_remedy="",
    soundfile=None,
    bundle="bundle",
    bundle_problem="",
    bundle_remedy="",
    backends=(LITERT, TFLITE, NUMERIC),
    chosen="tflite",
)


def test_the_layout() -> None:
    assert (
        str(DIAGNOSIS)
        == """\
ser-edge  0.1.0, CPython 3.11.2
machine   Linux on armv7l, glibc 2.36
cpu       Raspberry Pi 3 Model B, 1 core for this process
          neon; without dotprod
memory    0.9 GiB, unknown available
threads   1 per inference; OMP_NUM_THREADS=2, OPENBLAS_NUM_THREADS not set
numpy     1.26.4, openblas 0.3.21
audio     WAV; for FLAC, OGG and MP3: pip install 'ser-edge[audio]'
bundle    bundle

litert    no wheel  ai-edge-litert, not available for Linux on armv7l
tflite    dies      tflite-runtime 2.14.0, on import: ended by SIGILL (illegal instruction) (0.8 s)
                    pip uninstall tflite-runtime
numeric   runs      numpy 1.26.4, model.float32.npz (3.5 s)

default   tflite, which does not work; use --backend numeric until it is repaired"""
    )


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"backends": (NUMERIC,), "chosen": "numeric"},
            "default   numeric; choose another with --backend\n",
        ),
        ({"backends": (TFLITE,)}, "default   tflite, which does not work\n"),
        ({"backends": (LITERT,), "chosen": None}, "default   none, no backend works\n"),
        (
            {"soundfile": "0.14.0"},
            "audio     WAV; FLAC, OGG and MP3 with soundfile 0.14.0\n",
        ),
        (
            {"numpy_problem": "on import: ImportError: old", "numpy_remedy": "pip install x"},
            "numpy     1.26.4, on import: ImportError: old\n          pip install x\n",
        ),
        ({"bundle": None}, "bundle    not tried\n"),
        (
            {"bundle_problem": "b: is a file", "bundle_remedy": "copy it"},
            "bundle    bundle\n          b: is a file\n          copy it\n",
        ),
        (
            {"machine": dataclasses.replace(PI, cores=4, cpu_features={})},
            "Raspberry Pi 3 Model B, 4 cores for this process\n          unknown\n",
        ),
        (
            {"machine": dataclasses.replace(PI, cpu_features={"neon": True})},
            "process\n          neon\n",
        ),
    ],
)
def test_other_findings(changes: dict[str, Any], line: str) -> None:
    assert line in str(dataclasses.replace(DIAGNOSIS, **changes)) + "\n"


@pytest.mark.parametrize(
    ("changes", "works"),
    [
        ({}, True),
        ({"bundle_problem": "is a file"}, False),
        ({"backends": (LITERT, TFLITE)}, False),
        ({"backends": ()}, False),
    ],
)
def test_whether_it_works(changes: dict[str, Any], works: bool) -> None:
    diagnosis = dataclasses.replace(DIAGNOSIS, **changes)
    assert diagnosis.works == diagnosis.to_dict()["works"] == works
