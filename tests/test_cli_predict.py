"""`ser-edge predict`: what it prints, on which stream, and how it exits."""

import hashlib
import io
import json
import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, needs, parameter
from numpy.typing import NDArray

from ser_edge import Classifier
from ser_edge.cli.command_line import main

RATE = 22050
COMMAND = str(Path(sys.executable).with_name("ser-edge"))

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]
Fresh = Callable[..., subprocess.CompletedProcess[str]]


def run(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the installed command as a shell would."""
    command = [COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def wav(samples: NDArray[np.int16], rate: int = RATE) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1, 2, rate, 0, "NONE", ""))
        writer.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def float_wav(samples: list[float]) -> bytes:
    """A 32-bit float WAV, which the standard library does not write."""
    data = np.array(samples, "<f4").tobytes()
    header = bytearray(wav(np.zeros(0, np.int16)))
    header[20:22], header[32:36] = b"\3\0", b"\4\0\x20\0"
    header[40:44] = len(data).to_bytes(4, "little")
    return bytes(header) + data


@pytest.fixture
def clips(tmp_path: Path, golden: dict[str, Any]) -> list[str]:
    paths = [tmp_path / f"clip{i}.wav" for i in range(3)]
    for i, path in enumerate(paths):
        path.write_bytes(wav(golden[f"clip{i}_samples"]))
    return [str(path) for path in paths]


@needs("onnx")
def test_predict_as_a_table(
    bundle_dir: Path, clips: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *clips, "--bundle", str(bundle_dir), "--backend", "onnx"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    classifier = Classifier.load(bundle_dir, backend="onnx")
    expected = [classifier.predict(clip) for clip in clips]
    for line, clip, prediction in zip(out.splitlines(), clips, expected, strict=True):
        name, label, share, *others = line.split()
        assert (name, label) == (clip, prediction.label)
        assert share == f"{prediction.probability:.0%}"
        second, third = sorted(prediction.probabilities.values())[-2:-4:-1]
        assert (others[1], others[3]) == (f"{second:.0%}", f"{third:.0%}")
        assert prediction.probabilities[others[0]] == second


@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("backend", [parameter("litert"), parameter("onnx")])
def test_predict_for_programs(
    bundle_dir: Path,
    clips: list[str],
    capfd: pytest.CaptureFixture[str],
    backend: str,
    precision: str,
) -> None:
    words = ["--backend", backend, "--precision", precision, "--threads", "2", "--json"]
    assert main(["predict", *clips, "--bundle", str(bundle_dir), *words]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    classifier = Classifier.load(bundle_dir, backend=backend, precision=precision, threads=2)
    for line, clip in zip(out.splitlines(), clips, strict=True):
        answer = json.loads(line)
        expected = classifier.predict(clip).to_dict()
        assert answer.pop("timings_ms").keys() == expected.pop("timings_ms").keys()
        assert answer == {"clip": clip, **expected}


def test_the_command_keeps_stderr_clean(bundle_dir: Path, clips: list[str]) -> None:
    done = run("predict", *clips, "--bundle", bundle_dir)
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3


def test_stderr_is_restored_after_the_model_is_open(
    bundle_dir: Path, clips: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    main(["predict", clips[0], "--bundle", str(bundle_dir)])
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


@pytest.mark.parametrize(("closed", "lines"), [("2>&-", 1), (">&-", 0)])
def test_closed_streams_do_no_harm(
    bundle_dir: Path, clips: list[str], closed: str, lines: int
) -> None:
    command = [COMMAND, "predict", clips[0], "--bundle", str(bundle_dir)]
    shell = ["sh", "-c", f'exec "$0" "$@" {closed}', *command]
    done = subprocess.run(shell, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == lines


def test_bad_clips_do_not_stop_good_ones(
    bundle_dir: Path, clips: list[str], tmp_path: Path
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    done = run("predict", clips[0], text, "gone.wav", clips[1], "--bundle", bundle_dir, "--json")
    assert done.returncode == 1
    assert [json.loads(line)["clip"] for line in done.stdout.splitlines()] == clips[:2]
    first, second = done.stderr.splitlines()
    assert "text.wav: " in first
    assert "gone.wav: " in second


HEADER = wav(np.zeros(9, np.int16))[:44]
BAD_CLIPS: dict[str, tuple[bytes, str]] = {  # and the value that the message has to name
    "empty file": (b"", "0 bytes"),
    "truncated header": (HEADER[:30], ""),
    "truncated audio": (HEADER[:40] + b"\xff\xff\1\0" + bytes(100), "100"),
    "text": (b"happy\n" * 100, "b'happy"),
    "zero samples": (wav(np.zeros(0, np.int16)), ""),
    "NaN": (float_wav([0.1, float("nan")] * 500), "nan"),
    "infinity": (float_wav([float("inf")] * 500), "inf"),
    "beyond full scale": (float_wav([1e30, -1e30] * 500), "1e+30"),
    "silence": (wav(np.zeros(40000, np.int16)), ""),
}


@pytest.mark.parametrize("case", BAD_CLIPS)
def test_bad_clips_are_one_sentence(
    bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    content, value = BAD_CLIPS[case]
    clip = tmp_path / "bad.wav"
    clip.write_bytes(content)
    assert main(["predict", str(clip), "--bundle", str(bundle_dir)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("ser-edge: ")
    assert "bad.wav: " in err
    assert value in err
    assert err.count("\n") == 1


def test_paths_that_are_no_clips_are_one_sentence(
    bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for clip in (tmp_path, tmp_path / "gone.wav", tmp_path / "two\nlines.wav", "x" * 5000, ""):
        assert main(["predict", str(clip), "--bundle", str(bundle_dir)]) == 1
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith("ser-edge: ")


@needs("litert")
def test_a_model_that_the_interpreter_refuses(edited_bundle: Edit, clips: list[str]) -> None:
    content = b"TFL3" * 100
    digest = hashlib.sha256(content).hexdigest()

    def vouch(manifest: dict[str, Any]) -> None:
        (model,) = (m for m in manifest["models"] if m["file"] == "model.int8.tflite")
        model |= {"sha256": digest, "size_bytes": len(content)}

    folder = edited_bundle(vouch)
    (folder / "model.int8.tflite").write_bytes(content)
    done = run("predict", clips[0], "--bundle", folder, "--backend", "litert")
    assert (done.returncode, done.stdout) == (1, "")
    assert "model.int8.tflite" in done.stderr
    assert done.stderr.count("\n") == 1


WITHOUT_INTERPRETERS = """
import sys
sys.modules.update(dict.fromkeys(["ai_edge_litert", "tflite_runtime", "onnxruntime"]))
from ser_edge.cli.command_line import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_missing_interpreter_is_one_sentence(
    bundle_dir: Path, clips: list[str], fresh: Fresh
) -> None:
    words = ["predict", clips[0], "--bundle", bundle_dir, "--backend", "onnx"]
    done = fresh(WITHOUT_INTERPRETERS, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'ser-edge[onnx]'" in done.stderr


def test_without_interpreters_numpy_predicts(
    bundle_dir: Path, clips: list[str], fresh: Fresh
) -> None:
    done = fresh(WITHOUT_INTERPRETERS, "predict", clips[0], "--bundle", bundle_dir, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    expected = Classifier.load(bundle_dir, backend="numeric").predict(clips[0])
    found = json.loads(done.stdout)["probabilities"]
    assert found == pytest.approx(expected.probabilities, abs=1e-6)  # the BLAS has fewer threads


def test_an_interpreter_that_is_passed_over_is_one_line(
    bundle_dir: Path, clips: list[str], tmp_path: Path
) -> None:
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").write_text(
        "import sys; print('loading', file=sys.stderr); raise ImportError('libc is too old')"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = run("predict", *clips, "--bundle", bundle_dir, env=environment)
    assert done.returncode == 0
    assert done.stdout.count("\n") == 3
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("skipping the litert backend: ")
    assert "libc is too old" in done.stderr


@pytest.mark.parametrize("words", [["predict", "--json"], ["predict"], ["info"]])
def test_a_reader_that_went_away(bundle_dir: Path, clips: list[str], words: list[str]) -> None:
    recordings = clips * 10 if words[0] == "predict" else []
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [COMMAND, *words, *recordings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**buffered, "SER_EDGE_BUNDLE": str(bundle_dir)},
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
def test_file_names_that_are_no_text(bundle_dir: Path, clips: list[str], tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    os.rename(clips[0], name)
    command = [os.fsencode(COMMAND), b"predict", name, b"--bundle", os.fsencode(bundle_dir)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"caf\udce9.wav" in done.stdout
    done = subprocess.run([*command, b"--json"], capture_output=True, check=False)
    assert os.fsencode(json.loads(done.stdout)["clip"]) == name


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
@pytest.mark.parametrize("backend", [parameter(name) for name in HERE])
def test_one_thread_does_all(
    fresh: Fresh, bundle_dir: Path, clips: list[str], backend: str
) -> None:
    code = (
        "import os, sys\n"
        "from ser_edge.cli.command_line import main\n"
        "main(sys.argv[1:])\n"
        "print(len(os.listdir('/proc/self/task')), file=sys.stderr)"
    )
    words = ["predict", clips[0], "--bundle", bundle_dir, "--backend", backend]
    unset = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    done = fresh(code, *words, env=unset)
    assert (done.returncode, done.stderr) == (0, "1\n")
