"""`ser-edge doctor` with working and broken backends, and the wheels of other machines."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hanging import HANG_S, hang

import ser_edge
from ser_edge import Bundle, Classifier
from ser_edge.backends import INTERPRETERS
from ser_edge.backends.selection import model_for
from ser_edge.bundle import PRETRAINED
from ser_edge.cli.command_line import main
from ser_edge.doctor import diagnose, missing_wheel
from ser_edge.doctor.diagnosis import BackendReport, Diagnosis
from ser_edge.doctor.machine import this_machine

COMMAND = str(Path(sys.executable).with_name("ser-edge"))
LITERT = "pip install --force-reinstall --no-deps ai-edge-litert"

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.fixture
def litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source of a fake LiteRT; numeric is the only other backend."""
    names = ("litert", "numeric")
    monkeypatch.setattr("ser_edge.backends.INTERPRETERS", {n: INTERPRETERS[n] for n in names})
    folder = tmp_path / "ai_edge_litert"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "interpreter.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "interpreter.py"


def by_name(diagnosis: Diagnosis) -> dict[str, BackendReport]:
    return {backend.name: backend for backend in diagnosis.backends}


def test_what_works_here(bundle_dir: Path) -> None:
    found, bundle = diagnose(bundle_dir), Bundle.open(bundle_dir)
    backends = by_name(found)
    assert list(backends) == list(INTERPRETERS)
    for name, interpreter in INTERPRETERS.items():
        backend = backends[name]
        if interpreter.usable:
            # Not loaded here: tflite-runtime fails in a process that has imported TensorFlow.
            model = model_for(bundle, name)
            assert model is not None
            assert (backend.state, backend.detail, backend.remedy) == ("runs", model.file, "")
            assert backend.version
            assert backend.wall_ms
        else:
            assert backend.state in ("absent", "no wheel", "outdated")
            assert backend.skipped
    assert found.chosen == Classifier.load(bundle_dir).backend_name
    assert found.works
    assert (found.numpy_problem, found.bundle_problem) == ("", "")
    assert found.blas


@pytest.mark.parametrize(
    ("code", "state", "details", "remedy", "chosen"),
    [
        (
            "raise ImportError('GLIBC_2.38 not found')",
            "fails",
            ["import", "ImportError: GLIBC_2.38 not found"],
            LITERT,
            "numeric",
        ),
        ("raise OSError('no disk')", "fails", ["import", "OSError: no disk"], LITERT, "numeric"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
            "dies",
            ["import", "SIGILL"],
            "pip uninstall ai-edge-litert",
            "litert",
        ),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "dies",
            ["import", "SIGSEGV"],
            LITERT,
            "litert",
        ),
        (
            "raise SystemExit(0)",
            "dies",
            ["import", "status 0"],
            LITERT,
            "litert",
        ),
        (
            "class Interpreter:\n def __init__(self, **_): raise ValueError('no such op')",
            "fails",
            ["model.int8.tflite", "ai_edge_litert", "no such op"],
            "--backend",
            "numeric",
        ),
        (
            "import os\nclass Interpreter:\n def __init__(self, **_): os.abort()",
            "dies",
            ["opening", "SIGABRT"],
            LITERT,
            "litert",
        ),
    ],
)
def test_an_interpreter_that_does_not_work(
    bundle_dir: Path,
    litert: Path,
    code: str,
    state: str,
    details: list[str],
    remedy: str,
    chosen: str,
) -> None:
    litert.write_text(code)
    found = diagnose(bundle_dir)
    backend = by_name(found)["litert"]
    assert backend.state == state
    for detail in details:
        assert detail in backend.detail
    assert remedy in backend.remedy
    assert backend.signal == (details[-1] if "SIG" in details[-1] else "")
    assert found.chosen == chosen
    assert found.works
    advice = "use --backend numeric until" in str(found)
    assert advice == (chosen == "litert")


def test_an_interpreter_that_hangs(
    litert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    litert.write_text(hang(tmp_path, monkeypatch))
    found = by_name(diagnose(timeout_s=77))
    assert (found["litert"].state, found["litert"].remedy) == ("hangs", LITERT)
    assert found["litert"].detail.startswith("on import: ")
    assert "77 s" in found["litert"].detail
    assert found["numeric"].works


def test_without_a_bundle_the_one_in_the_package_runs() -> None:
    found, shipped = diagnose(), Bundle.open(PRETRAINED)
    assert found.bundle == str(PRETRAINED)
    for name, backend in by_name(found).items():
        model = model_for(shipped, name)
        assert model is not None
        if INTERPRETERS[name].usable:
            assert (backend.state, backend.detail) == ("runs", model.file)
    assert found.chosen == Classifier.load().backend_name


def test_a_bundle_that_cannot_be_used(litert: Path, tmp_path: Path) -> None:
    found = diagnose(tmp_path)
    assert [backend.state for backend in found.backends] == ["loads", "loads"]
    assert (found.chosen, found.bundle, found.works) == ("litert", str(tmp_path), False)


def test_a_bundle_without_the_file(litert: Path, edited_bundle: Edit) -> None:
    def keep(manifest: dict[str, Any]) -> None:
        manifest["models"] = [m for m in manifest["models"] if m["file"].endswith(".npz")]

    found = diagnose(edited_bundle(keep))
    backend = by_name(found)["litert"]
    assert (backend.state, backend.detail) == ("no file", "the bundle has no .tflite file")
    assert backend.remedy == "ser-edge export RUN --int8"
    assert (found.chosen, found.works) == ("numeric", True)


def test_a_damaged_model(litert: Path, edited_bundle: Edit) -> None:
    folder = edited_bundle(lambda manifest: None)
    (folder / "model.float32.npz").write_bytes(b"")
    (folder / "model.int8.tflite").write_bytes(b"")
    found = diagnose(folder)
    assert (found.chosen, found.works) == ("litert", False)
    for backend in found.backends:
        assert backend.state == "fails"
        assert "0 bytes" in backend.detail
        assert "copy the whole bundle again" in f"{backend.detail} {backend.remedy}"


def test_an_interpreter_of_the_older_numpy(
    monkeypatch: pytest.MonkeyPatch, bundle_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "tflite_runtime").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("ser_edge.backends.interpreters._NUMPY", 2)
    tflite = {"tflite": INTERPRETERS["tflite"]}
    monkeypatch.setattr("ser_edge.backends.INTERPRETERS", tflite)
    (backend,) = diagnose(bundle_dir).backends
    assert (backend.state, backend.wall_ms) == ("outdated", None)
    assert backend.detail.startswith("built for NumPy 1, ")
    assert backend.remedy == "pip install 'numpy<2'"


def test_an_interpreter_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, bundle_dir: Path
) -> None:
    onnx = dataclasses.replace(INTERPRETERS["onnx"], package="onnxruntime_that_is_missing")
    monkeypatch.setattr("ser_edge.backends.INTERPRETERS", {"onnx": onnx})
    here = dataclasses.replace(this_machine(), machine="x86_64", libc="glibc 2.36", system="Linux")
    for machine, state, detail, remedy in (
        (here, "absent", "not installed", "pip install 'ser-edge[onnx]'"),
        (dataclasses.replace(here, libc="musl"), "no wheel", "needs glibc, not musl", ""),
    ):
        monkeypatch.setattr("ser_edge.doctor.examination.this_machine", lambda found=machine: found)
        diagnosis = diagnose(bundle_dir)
        (backend,) = diagnosis.backends
        assert (backend.state, backend.detail, backend.remedy) == (state, detail, remedy)
        assert (diagnosis.chosen, diagnosis.works) == (None, False)


@pytest.mark.parametrize(
    ("backend", "system", "machine", "libc", "python", "expected"),
    [
        ("litert", "Linux", "aarch64", "glibc 2.36", (3, 13), ""),
        ("litert", "Linux", "armv7l", "glibc 2.36", (3, 11), "not available for Linux on armv7l"),
        ("litert", "Darwin", "x86_64", "unknown", (3, 11), "not available for Darwin on x86_64"),
        ("tflite", "Linux", "armv7l", "glibc 2.36", (3, 11), ""),
        ("tflite", "Linux", "aarch64", "glibc 2.36", (3, 12), "needs Python 3.11 or older"),
        ("tflite", "Windows", "x86_64", "unknown", (3, 10), "not available for Windows on x86_64"),
        ("onnx", "Linux", "armv6l", "glibc 2.36", (3, 11), "not available for Linux on armv6l"),
        ("onnx", "Linux", "x86_64", "musl", (3, 12), "needs glibc, not musl"),
        ("onnx", "Darwin", "aarch64", "unknown", (3, 13), ""),
    ],
)
def test_wheels(
    backend: str, system: str, machine: str, libc: str, python: tuple[int, int], expected: str
) -> None:
    there = dataclasses.replace(this_machine(), system=system, machine=machine, libc=libc)
    assert missing_wheel(backend, there, python) == expected


def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "doctor", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=HANG_S,
        check=False,
    )


def test_the_command(bundle_dir: Path) -> None:
    done = run(SER_EDGE_BUNDLE=str(bundle_dir))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"ser-edge  {ser_edge.__version__}, ")
    assert f"bundle    {bundle_dir}" in lines
    assert any(line.startswith("numeric   runs      numpy ") for line in lines)
    assert lines[-1].startswith("default   ")


def test_the_command_for_programs(
    monkeypatch: pytest.MonkeyPatch, litert: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SER_EDGE_BUNDLE", raising=False)
    assert main(["doctor", "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    content = json.loads(out)
    assert list(content) == [*(field.name for field in dataclasses.fields(Diagnosis)), "works"]
    assert content["bundle"] == str(PRETRAINED)
    assert (content["chosen"], content["works"]) == ("litert", True)
    assert [backend["state"] for backend in content["backends"]] == ["fails", "runs"]
    assert content["machine"]["cores"] >= 1


def test_a_folder_that_does_not_exist(
    litert: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", str(tmp_path / "gone")]) == 1
    out, err = capfd.readouterr()
    assert err == ""
    assert f"bundle    {tmp_path / 'gone'}\n          {tmp_path / 'gone'}: " in out
    assert "numeric   loads " in out


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("raise ImportError('CPU lacks X86_V2')", "ImportError: CPU lacks X86_V2"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
            "SIGILL",
        ),
    ],
)
def test_a_broken_numpy(tmp_path: Path, bundle_dir: Path, code: str, problem: str) -> None:
    (tmp_path / "numpy.py").write_text(code)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = run(bundle_dir, PYTHONPATH=path)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    row = next(i for i, line in enumerate(lines) if line.startswith("numpy "))
    assert problem in lines[row]
    assert "pip install --force-reinstall --no-deps numpy" in lines[row + 1]
    assert lines[-1].startswith("default   none")
    done = run("--json", PYTHONPATH=path)
    content = json.loads(done.stdout)
    assert problem in content["numpy_problem"]
    assert (content["backends"], content["chosen"]) == ([], None)
