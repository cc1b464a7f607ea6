"""Mutated files are read or refused; ``python -m tests.fuzz`` tries more of them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from fuzz import worker
from fuzz.campaign import Tally, defect, run
from fuzz.readers import BUNDLE, CLIP
from fuzz.targets import NAMES, target
from fuzz.worker import Worker
from hanging import HANG_S
from numpy.typing import NDArray
from raising import raises

from ser_edge import Bundle, Classifier
from ser_edge.backends import open_model
from ser_edge.errors import AudioError, BackendError


@pytest.mark.parametrize("name", ["wav", "sound", "manifest", "numeric"])
def test_mutated_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    tally = Tally()
    run(target(name, tmp_path), 100, 0, tally=tally, keep=tmp_path / "keep")
    assert not tally.defects
    assert tally.outcomes["answer"] > 2
    assert tally.outcomes.total() - tally.outcomes["answer"] > 40


@pytest.mark.parametrize("name", [name for name in NAMES if name in {"litert", "tflite", "onnx"}])
def test_interpreters_get_only_files_as_in_the_manifest(name: str, tmp_path: Path) -> None:
    tally = Tally()
    run(target(name, tmp_path), 10, 0, tally=tally, keep=tmp_path / "keep")
    assert not tally.defects
    assert tally.outcomes.total() == 10


def one_array_many_times() -> bytes:
    with zipfile.ZipFile(BUNDLE / "model.float32.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    graph = json.loads(members["graph.json"])
    graph["ops"] = [op for op in graph["ops"] if op["kind"] == "dense"] * 20_000
    members["graph.json"] = json.dumps(graph).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_an_array_is_read_once(tmp_path: Path) -> None:
    chosen = target("numeric", tmp_path)
    data = one_array_many_times()
    with closing(Worker(chosen.read, chosen.good)) as read:
        outcome = read(data)
    assert outcome.kind == "BackendError"
    assert defect(chosen, data, outcome) == ""


def test_onnx_runtime_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime")
    content = (BUNDLE / "model.float32.onnx").read_bytes().replace(b"input", b"inp\xfft", 1)
    with raises(BackendError, source="model.onnx"):
        open_model(content, "onnx", "model.onnx")
    assert capfd.readouterr() == ("", "")


def test_the_largest_logits_give_probabilities() -> None:
    class Loud:
        version = "loud"

        def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.array([[3e38, -3e38, 0, 0, 0, 0, 3e38]], np.float32)

    bundle = Bundle.open(BUNDLE)
    classifier = Classifier(bundle, bundle.manifest.models[0], "loud", Loud())
    (probabilities,) = classifier.probabilities(np.zeros((1, 130, 22), np.float32))
    assert probabilities.tolist() == [0.5, 0, 0, 0, 0, 0, 0.5]


HOARD: list[object] = []


def misbehave(data: bytes) -> None:
    if data == b"abort":
        os.abort()
    elif data == b"sleep":
        time.sleep(1000)
    elif data == b"hoard":
        np.zeros(100 << 20, np.uint8)
    elif data == b"touch":
        HOARD.append(b"x" * (100 << 20))
    elif data == b"loop":
        begin = time.process_time()
        while time.process_time() - begin < 1:
            pass
    elif data == b"type":
        raise TypeError("not ours")
    elif data == b"lines":
        raise AudioError("two\nlines")
    elif data == b"refuse":
        raise AudioError("is refused")


def test_defects_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = {
        b"refuse": ("AudioError", ""),
        b"type": ("TypeError", "not ours"),
        b"lines": ("AudioError", "two"),
        b"hoard": ("answer", "1048"),
        b"touch": ("answer", "1048"),
        b"loop": ("answer", " s"),
        b"sleep": ("hang", "0.1 s"),
        b"abort": ("crash", "-6"),
        b"": ("answer", ""),
    }
    monkeypatch.setattr("fuzz.campaign.MAX_SECONDS", 0.9)
    wav = target("wav", tmp_path)
    with closing(Worker(misbehave, b"")) as read:
        for data, (kind, reason) in expected.items():
            with monkeypatch.context() as patch:
                if data == b"sleep":  # which outlasts any timeout, however busy the machine is
                    patch.setattr(worker, "TIMEOUT_S", 0.1)
                outcome = read(data)
            assert outcome.kind == kind
            found = defect(wav, data, outcome)
            assert reason in found
            assert bool(found) == bool(reason)


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--what", "wav", "--keep", str(tmp_path)]
    options = {"cwd": Path(__file__).parents[1], "capture_output": True, "text": True}
    done = subprocess.run([*command, "--count", "5"], timeout=HANG_S, check=True, **options)  # type: ignore[call-overload]
    assert done.stdout.startswith("wav: 5 files from seed 0\n")
    (tmp_path / "clip.wav").write_bytes(CLIP)
    replay = [*command, "--replay", str(tmp_path / "clip.wav")]
    done = subprocess.run(replay, timeout=HANG_S, check=True, **options)  # type: ignore[call-overload]
    assert done.stdout.endswith("no defect\n")
