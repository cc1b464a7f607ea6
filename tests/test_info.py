"""`ser-edge info`, and bundles that no command can use."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import needs
from raising import raises

from ser_edge import Bundle
from ser_edge.backends import Interpreter
from ser_edge.bundle import PRETRAINED
from ser_edge.cli.command_line import main
from ser_edge.cli.info import describe, to_dict
from ser_edge.errors import BundleError

COMMAND = str(Path(sys.executable).with_name("ser-edge"))

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]


def damage_model(folder: Path) -> None:
    path = folder / "model.int8.tflite"
    path.write_bytes(b"x" * path.stat().st_size)


def damage_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[:1000])


def become_an_unpacked_model(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"name": "other", "version": 2}')


@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        lambda folder: (folder / "manifest.json").unlink(),
        pytest.param(damage_model, marks=needs("litert")),
        pytest.param(lambda folder: (folder / "model.int8.tflite").unlink(), marks=needs("litert")),
        damage_manifest,
        become_an_unpacked_model,
    ],
)
@pytest.mark.parametrize("command", ["predict", "info"])
def test_bad_bundles_are_one_sentence(
    edited_bundle: Edit,
    capfd: pytest.CaptureFixture[str],
    command: str,
    damage: Callable[[Path], object],
) -> None:
    folder = edited_bundle(lambda manifest: None)
    damage(folder)
    words = ["clip.wav", "--bundle"] if command == "predict" else []
    assert main([command, *words, str(folder)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"ser-edge: {folder}")
    assert err.count("\n") == 1


def test_which_bundle_is_meant_where_none_is_named(
    monkeypatch: pytest.MonkeyPatch, bundle_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SER_EDGE_BUNDLE", raising=False)
    assert main(["info", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["folder"] == str(PRETRAINED)
    monkeypatch.setenv("SER_EDGE_BUNDLE", str(bundle_dir))
    assert main(["info", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["folder"] == str(bundle_dir)


def test_info(bundle_dir: Path) -> None:
    command = [COMMAND, "info", str(bundle_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    found = dict(rows)
    assert found["labels"] == "angry, disgust, fear, happy, neutral, sad, surprise"
    assert found["input"] == "3.0 s windows at 22050 Hz, (130, 22) numbers each"
    models = [value.split(",")[0] for name, value in rows if name == "model"]
    assert models == [model.file for model in Bundle.open(bundle_dir).manifest.models]
    assert found["accuracy"].startswith("UAR ")
    assert "protocol speaker" in found["accuracy"]
    assert "numeric yes" in found["interpreters"]


def test_info_for_programs(bundle_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(bundle_dir), "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    found = json.loads(out)
    manifest = json.loads((bundle_dir / "manifest.json").read_text())
    assert found.pop("folder") == str(bundle_dir)
    assert found.pop("interpreters").keys() == {"litert", "tflite", "onnx", "numeric"}
    assert found == manifest


def test_interpreters_are_those_that_fit_this_numpy(
    monkeypatch: pytest.MonkeyPatch, bundle_dir: Path
) -> None:
    monkeypatch.setattr(Interpreter, "installed", True)
    monkeypatch.setattr("ser_edge.backends.interpreters._NUMPY", 2)
    bundle = Bundle.open(bundle_dir)
    assert to_dict(bundle)["interpreters"] == {
        "litert": True,
        "tflite": False,
        "onnx": True,
        "numeric": True,
    }
    assert "litert yes, tflite no, onnx yes, numeric yes" in describe(bundle)


@pytest.mark.parametrize(
    ("about", "value"),
    [
        ({"corpora": 3}, "iterable"),
        ({"metrics": {"all": {"uar": "high"}}}, "'str'"),
        ({"metrics": [1]}, "'list'"),
    ],
)
def test_what_is_for_people_may_not_fit(
    edited_bundle: Edit, about: dict[str, Any], value: str
) -> None:
    folder = edited_bundle(lambda manifest: manifest.update(about=about))
    with raises(BundleError, value, source=folder):
        describe(Bundle.open(folder))


def test_what_is_for_people_may_be_missing(edited_bundle: Edit) -> None:
    folder = edited_bundle(lambda manifest: manifest.update(about={}))
    assert "licence       not stated" in describe(Bundle.open(folder))
