"""The command line: what it prints, on which stream, and how it exits."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ser_edge
from ser_edge import Classifier
from ser_edge.cli import main

RATE = 22050
COMMAND = str(Path(sys.executable).with_name("ser-edge"))

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]
Fresh = Callable[..., subprocess.CompletedProcess[str]]


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


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the installed command as a shell would."""
    command = [COMMAND, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_predict_as_a_table(
    bundle_dir: Path, clips: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", *clips, "--bundle", str(bundle_dir), "--backend", "onnx"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    expected = Classifier.load(bundle_dir, backend="onnx").predict_batch(clips)
    for line, clip, prediction in zip(out.splitlines(), clips, expected, strict=True):
        name, label, share, *others = line.split()
        assert (name, label) == (clip, prediction.label)
        assert share == f"{prediction.probability:.0%}"
        second, third = sorted(prediction.probabilities.values())[-2:-4:-1]
        assert (others[1], others[3]) == (f"{second:.0%}", f"{third:.0%}")
        assert prediction.probabilities[others[0]] == second


@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("backend", ["litert", "onnx"])
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


def test_stderr_speaks_again_after_the_model_is_open(
    bundle_dir: Path, clips: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    main(["predict", clips[0], "--bundle", str(bundle_dir)])
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


@pytest.mark.parametrize(("closed", "lines"), [("2>&-", 1), (">&-", 0)])
def test_closed_streams_do_no_harm(
    bundle_dir: Path, clips: list[str], closed: str, lines: int
) -> None:
    command = [COMMAND, "predict", clips[0], "--bundle", str(bundle_dir)]
    shell = ["sh", "-c", f'exec "$0" "$@" {closed}', *command]
    done = subprocess.run(shell, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") == lines


def test_good_clips_are_answered_beside_bad_ones(
    bundle_dir: Path, clips: list[str], tmp_path: Path
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    done = run("predict", clips[0], text, "gone.wav", clips[1], "--bundle", bundle_dir, "--json")
    assert done.returncode == 1
    assert [json.loads(line)["clip"] for line in done.stdout.splitlines()] == clips[:2]
    first, second = done.stderr.splitlines()
    assert first.startswith("ser-edge: text.wav: begins with b'no sound'")
    assert second.startswith("ser-edge: gone.wav: does not exist")


HEADER = wav(np.zeros(9, np.int16))[:44]
BAD_CLIPS: dict[str, tuple[bytes, str]] = {
    "empty file": (b"", "is empty (0 bytes)"),
    "truncated header": (HEADER[:30], "has no audio"),
    "truncated audio": (HEADER[:40] + b"\xff\xff\1\0" + bytes(100), "is truncated"),
    "text": (b"happy\n" * 100, "begins with b'happy"),
    "zero samples": (wav(np.zeros(0, np.int16)), "no samples"),
    "NaN": (float_wav([0.1, float("nan")] * 500), "sample 1 is nan"),
    "infinity": (float_wav([float("inf")] * 500), "sample 0 is inf"),
    "beyond full scale": (float_wav([1e30, -1e30] * 500), "has a peak of 1e+30"),
    "silence": (wav(np.zeros(40000, np.int16)), "is silent"),
}


@pytest.mark.parametrize("case", BAD_CLIPS)
def test_bad_clips_are_one_sentence(
    bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    content, message = BAD_CLIPS[case]
    clip = tmp_path / "bad.wav"
    clip.write_bytes(content)
    assert main(["predict", str(clip), "--bundle", str(bundle_dir)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("ser-edge: bad.wav: ")
    assert message in err
    assert err.count("\n") == 1


def test_paths_that_are_no_clips_are_one_sentence(
    bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for clip in (tmp_path, tmp_path / "gone.wav", tmp_path / "two\nlines.wav", "x" * 5000, ""):
        assert main(["predict", str(clip), "--bundle", str(bundle_dir)]) == 1
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith("ser-edge: ")


def damage_model(folder: Path) -> None:
    (folder / "model.int8.tflite").write_bytes(b"x" * 64624)


def damage_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[:1000])


def become_an_unpacked_model(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"name": "other", "version": 2}')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "there is no such folder"),
        (lambda folder: (folder / "manifest.json").unlink(), "holds no manifest.json"),
        (damage_model, "model.int8.tflite: is damaged or was changed"),
        (lambda folder: (folder / "model.int8.tflite").unlink(), "cannot be read (No such file"),
        (damage_manifest, "manifest.json: is not JSON"),
        (become_an_unpacked_model, "manifest.json: is not a ser-edge manifest"),
    ],
)
@pytest.mark.parametrize("command", ["predict", "info"])
def test_bad_bundles_are_one_sentence(
    edited_bundle: Edit,
    clips: list[str],
    capfd: pytest.CaptureFixture[str],
    command: str,
    damage: Callable[[Path], object],
    message: str,
) -> None:
    folder = edited_bundle(lambda manifest: None)
    damage(folder)
    words = clips if command == "predict" else []
    assert main([command, *words, "--bundle", str(folder)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"ser-edge: {folder}")
    assert message in err
    assert err.count("\n") == 1


def test_a_model_that_the_interpreter_refuses(edited_bundle: Edit, clips: list[str]) -> None:
    content = b"TFL3" * 100
    digest = hashlib.sha256(content).hexdigest()
    folder = edited_bundle(lambda m: m["models"][2].update(sha256=digest, size_bytes=len(content)))
    (folder / "model.int8.tflite").write_bytes(content)
    done = run("predict", clips[0], "--bundle", folder, "--backend", "litert")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ser-edge: ai_edge_litert cannot open model.int8.tflite: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["--backend", "onnx"]])
def test_a_missing_interpreter_is_one_sentence(
    bundle_dir: Path, clips: list[str], fresh: Fresh, words: list[str]
) -> None:
    code = (
        "import sys\n"
        "absent = 'ai_edge_litert', 'tflite_runtime', 'onnxruntime'\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "from ser_edge.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = fresh(code, "predict", clips[0], "--bundle", bundle_dir, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'ser-edge[" in done.stderr


def test_no_bundle_was_named(
    monkeypatch: pytest.MonkeyPatch, bundle_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SER_EDGE_BUNDLE", raising=False)
    assert main(["info"]) == 1
    assert capfd.readouterr().err == (
        "ser-edge: no bundle was named; give --bundle DIR, or set SER_EDGE_BUNDLE, to a folder "
        "that `ser-edge export` wrote\n"
    )
    monkeypatch.setenv("SER_EDGE_BUNDLE", str(bundle_dir))
    assert main(["info"]) == 0


def test_info(bundle_dir: Path) -> None:
    done = run("info", "--bundle", bundle_dir)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    told = dict(rows)
    assert told["labels"] == "angry, disgust, fear, happy, neutral, sad, surprise"
    assert told["input"] == "3.0 s windows at 22050 Hz, (130, 22) numbers each"
    assert [name for name, _ in rows].count("model") == 4
    assert told["accuracy"].startswith("UA ")
    assert "protocol speaker" in told["accuracy"]
    assert "onnx yes" in told["interpreters"]


def test_info_for_programs(bundle_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--bundle", str(bundle_dir), "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    told = json.loads(out)
    manifest = json.loads((bundle_dir / "manifest.json").read_text())
    assert told.pop("folder") == str(bundle_dir)
    assert told.pop("interpreters").keys() == {"litert", "tflite", "onnx"}
    assert told == manifest


def test_the_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"ser-edge {ser_edge.__version__}\n")


@pytest.mark.parametrize(
    "words", [["--help"], ["predict", "--help"], ["train", "--help"], ["--version"], ["predict"]]
)
def test_help_loads_nothing_heavy(fresh: Fresh, words: list[str]) -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from ser_edge.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(loaded - sys.stdlib_module_names), file=sys.stderr)"
    )
    assert fresh(code, *words).stderr.splitlines()[-1] == "ser_edge"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dance"], "invalid choice: 'dance'"),
        (["predict"], "the following arguments are required: CLIP"),
        (["predict", "a.wav", "--backend", "torch"], "invalid choice: 'torch'"),
        (["predict", "a.wav", "--precision", "int4"], "invalid choice: 'int4'"),
        (["predict", "a.wav", "--threads", "0"], "'0'; expected a whole number, at least 1"),
        (["predict", "a.wav", "--threads", "two"], "'two'; expected a whole number, at least 1"),
        (["train", "data", "--fold", "-1"], "expected a whole number, at least 0"),
        (["info", "--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_wrong_usage_exits_with_2(
    capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("usage: ser-edge")
    assert message in err


def test_too_many_threads(
    bundle_dir: Path, clips: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--threads", "100000", "--bundle", str(bundle_dir)]
    assert main(["predict", clips[0], *words]) == 1
    assert capfd.readouterr().err == "ser-edge: threads=100000; expected 1 to 64\n"


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        (["train", "data"], "ser_edge_train.train", "train"),
        (["evaluate", "run"], "ser_edge_train.evaluate", "train"),
        (["export", "run", "--int8"], "ser_edge_export.export", "export"),
        (["demo"], "ser_edge_export.demo", "export"),
    ],
)
def test_missing_extras_are_named(
    tmp_path: Path, fresh: Fresh, words: list[str], missing: str, extra: str
) -> None:
    folder = tmp_path.joinpath(*missing.split(".")[:1])
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / f"{missing.split('.')[1]}.py").write_text("import keras_that_is_missing.layers")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from ser_edge.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = fresh(code, tmp_path, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"ser-edge: `ser-edge {words[0]}` needs keras_that_is_missing, which is not installed; "
        f"pip install 'ser-edge[{extra}]'\n"
    )


def test_a_defect_of_ours_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ser_edge_train.train", None)
    with pytest.raises(ModuleNotFoundError):
        main(["train", "data"])


@pytest.mark.parametrize("words", [["predict", "--json"], ["predict"], ["info"]])
def test_a_reader_that_went_away(bundle_dir: Path, clips: list[str], words: list[str]) -> None:
    recordings = clips * 10 if words[0] == "predict" else []
    command = [COMMAND, *words, *recordings, "--bundle", str(bundle_dir)]
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 141


def test_an_interruption(
    monkeypatch: pytest.MonkeyPatch, bundle_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "load", interrupt)
    assert main(["predict", "clip.wav", "--bundle", str(bundle_dir)]) == 130
    assert capfd.readouterr().err.startswith("ser-edge: interrupted")


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
