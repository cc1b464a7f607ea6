"""Bundles, complete and damaged: every change of the manifest is accepted or refused clearly."""

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import HERE, bundle_precisions, needs
from hanging import make_pipe
from raising import raises

from ser_edge import Bundle, Classifier
from ser_edge.bundle import MAX_GOLDEN_BYTES, MAX_MODEL_BYTES, describe_model
from ser_edge.cli.command_line import main
from ser_edge.errors import BundleError, ConfigError, SerEdgeError
from ser_edge.manifest import Manifest, ModelFile
from ser_edge.verify.golden import read_golden

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]


def manifest_text(bundle_dir: Path) -> str:
    return (bundle_dir / "manifest.json").read_text("utf-8")


def test_the_manifest_survives_json(bundle_dir: Path) -> None:
    text = manifest_text(bundle_dir)
    manifest = Manifest.from_json(text)
    assert manifest.to_json() == text
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.labels[0] == "angry"
    assert manifest.input.shape == (130, 22)
    assert len(repr(manifest)) < 2000


def test_the_files_are_as_exported(bundle_dir: Path) -> None:
    bundle = Bundle.open(str(bundle_dir))
    assert len(bundle.manifest.models) == 5
    for model in bundle.manifest.models:
        path = bundle_dir / model.file
        assert bundle.model_bytes(model) == path.read_bytes()
        assert describe_model(path, model.precision) == model
        assert bundle.model(model.suffix, model.precision) == model
    assert bundle.model(".npz", "int8") is None


def test_infinity_is_not_written(bundle_dir: Path) -> None:
    manifest = Manifest.from_json(manifest_text(bundle_dir))
    manifest.about["score"] = float("nan")
    with pytest.raises(ValueError):  # noqa: PT011
        manifest.to_json()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", "JSON"),
        ("{", "JSON"),
        ("[" * 100_000, "JSON"),
        ("1" * 5000, "JSON"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1e999}', "1e999"),
        ("null", "format=None"),
        ("[]", "format=None"),
        ('{"name": "another-package", "version": "1.0"}', "format=None"),
        ('{"format": ["ser-edge-bundle"]}', "format=['ser-edge-bundle']"),
        ('{"format": "ser-edge-bundle"}', "format_version=None"),
        ('{"format": "ser-edge-bundle", "format_version": 1}', "format_version=1"),
    ],
    ids=range(12),
)
def test_foreign_manifests(tmp_path: Path, text: str, value: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    assert_refused(tmp_path, value)


def assert_refused(folder: Path, *values: str) -> None:
    with raises(BundleError, *values) as caught:
        Bundle.open(folder)
    assert caught.value.source in (str(folder), str(folder / "manifest.json"))
    assert len(caught.value.problem) < 600


@pytest.mark.parametrize("entry", ["name", "labels", "input", "temperature", "models"])
def test_missing_entries(edited_bundle: Edit, entry: str) -> None:
    assert_refused(edited_bundle(lambda m: m.pop(entry)), f"'{entry}'")


@pytest.mark.parametrize("entry", ["features", "window", "layout", "mean", "scale"])
def test_missing_input_entries(edited_bundle: Edit, entry: str) -> None:
    assert_refused(edited_bundle(lambda m: m["input"].pop(entry)), entry)


HUGE = 10**400
MEAN = [0.0] * 22


@pytest.mark.parametrize(
    ("where", "value", "named"),
    [
        ("name", 5, "name=5"),
        ("name", "two\nlines", "name='two"),
        ("labels", 7, "labels=7"),
        ("labels", "angry", "labels='angry'"),
        ("labels", ["angry"], "labels=('angry',)"),
        ("labels", ["angry", "angry"], "labels=('angry', 'angry')"),
        ("labels", ["angry", 1], "label=1"),
        ("labels", ["angry", "\ud800"], "label='\\ud800'"),
        ("labels", [["angry"], ["sad"]], "label=['angry']"),
        ("temperature", 0, "temperature=0"),
        ("temperature", -1.0, "temperature=-1.0"),
        ("temperature", HUGE, "temperature=1000"),
        ("temperature", "warm", "temperature='warm'"),
        ("temperature", None, "temperature=None"),
        ("models", "model.int8.tflite", "models='model.int8.tflite'"),
        ("models", [], "models=()"),
        ("models", ["model.int8.tflite"], "'model.int8.tflite'"),
        ("models", [{"file": "model.tflite"}], "model.tflite"),
        ("models.0.file", "../model.tflite", "file='../model.tflite'"),
        ("models.0.file", "/etc/passwd", "file='/etc/passwd'"),
        ("models.0.file", "..", "file='..'"),
        ("models.0.file", "", "file=''"),
        ("models.0.file", "a\0b", "file='a"),
        ("models.0.file", 5, "file=5"),
        ("models.0.precision", "int4", "precision='int4'"),
        ("models.0.input_kind", None, "input_kind=None"),
        ("models.0.sha256", None, "sha256=None"),
        ("models.0.size_bytes", "many", "size_bytes='many'"),
        ("models.0.size_bytes", -1, "size_bytes=-1"),
        ("models.0.colour", "red", "colour"),
        ("models.0.two\nlines", "red", "two\\nlines"),
        ("golden_sha256", 5, "golden_sha256=5"),
        ("golden_sha256", "two\nlines", "golden_sha256='two"),
        ("golden_sha256", None, "golden_sha256=None"),
        ("golden_sha256", "", None),
        ("about", [], "about=[]"),
        ("input", [], "list"),
        ("input.layout", "cube", "layout='cube'"),
        ("input.mean", MEAN[:-1], "21"),
        ("input.mean", None, "NoneType"),
        ("input.mean", 22 * "m", "'m'"),
        ("input.scale", MEAN, "0.0"),
        ("input.scale", [*MEAN[1:], -1], "0.0"),
        ("input.scale", [1] * 23, "23"),
        ("input.scale", [HUGE] * 22, "1000"),
        ("input.features", [], "list"),
        ("input.features.n_fft", 10**9, "n_fft=1000000000"),
        ("input.features.n_fft", HUGE, "n_fft=1000"),
        ("input.features.sample_rate", 10**12, "sample_rate=1000000000000"),
        ("input.features.sample_rate", 1, "sample_rate=1"),
        ("input.features.hop_length", 0, "hop_length=0"),
        ("input.features.hop_length", 1 << 14, None),
        ("input.features.n_mels", 10**7, "n_mels=10000000"),
        ("input.features.center", "false", "center='false'"),
        ("input.features.fmax", 1e-300, "fmax=1e-300"),
        ("input.features.descriptors", "zcr", "descriptors="),
        ("input.features.colour", "red", "'colour'"),
        ("input.window.duration_s", 1e9, "duration_s=1000000000.0"),
        ("input.window.duration_s", HUGE, "duration_s=1000"),
        ("input.window.hop_s", 0, "hop_s=0"),
        ("input.window.placement", None, "placement=None"),
        ("input.window.colour", "red", "colour"),
    ],
    ids=str,
)
def test_illegal_entries(edited_bundle: Edit, where: str, value: Any, named: str | None) -> None:
    def change(manifest: Any) -> None:
        *path, last = [int(step) if step.isdecimal() else step for step in where.split(".")]
        for step in path:
            manifest = manifest[step]
        manifest[last] = value

    folder = edited_bundle(change)
    if named is None:
        assert Bundle.open(folder)
    else:
        assert_refused(folder, named)


def test_a_megabyte_is_not_repeated(edited_bundle: Edit) -> None:
    assert_refused(
        edited_bundle(lambda m: m.update(labels="x" * 10**6)), "labels='xx", " … ", "xx'"
    )


def test_folders_that_are_no_bundle(tmp_path: Path, bundle_dir: Path) -> None:
    for folder in (
        *(tmp_path / "gone", tmp_path, bundle_dir / "manifest.json"),
        *(tmp_path / ("x" * 5000), Path("a\0b")),
    ):
        with raises(BundleError, source=folder) as caught:
            Bundle.open(folder)
        assert "ser-edge export" in caught.value.remedy
    (tmp_path / "manifest.json").mkdir()
    assert_refused(tmp_path, "Is a directory")


def test_a_manifest_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe{}")
    assert_refused(tmp_path, "0xff")


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "value"),
    [
        (flip_a_byte, "sha256="),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "bytes"),
        (lambda path: path.write_bytes(b""), "0 bytes"),
        (become_a_folder, ""),
        (Path.unlink, "No such file or directory"),
    ],
    ids=["byte", "longer", "empty", "folder", "gone"],
)
def test_damaged_model_files(
    edited_bundle: Edit, damage: Callable[[Path], object], value: str
) -> None:
    folder = edited_bundle(lambda m: None)
    damage(folder / "model.int8.tflite")
    bundle = Bundle.open(folder)
    model = bundle.model(".tflite", "int8")
    assert model is not None
    with raises(BundleError, value, source=folder / "model.int8.tflite"):
        bundle.model_bytes(model)
    other = bundle.model(".onnx", "int8")
    assert other is not None
    assert bundle.model_bytes(other)


def test_the_golden_clips_are_as_exported(edited_bundle: Edit) -> None:
    folder = edited_bundle(lambda m: None)
    bundle = Bundle.open(folder)
    assert bundle.golden_bytes() == (folder / "golden.npz").read_bytes()
    for damage, value in (
        (flip_a_byte, "sha256="),
        (become_a_folder, "Is a directory"),
        (Path.rmdir, "No such file or directory"),
    ):
        damage(folder / "golden.npz")
        with raises(BundleError, value, source=folder / "golden.npz"):
            bundle.golden_bytes()


def test_a_bundle_without_golden_clips(edited_bundle: Edit) -> None:
    bundle = Bundle.open(edited_bundle(lambda m: m.pop("golden_sha256")))
    assert bundle.manifest.golden_sha256 == ""
    with raises(BundleError, "golden_sha256", source=bundle.folder):
        bundle.golden_bytes()


def become_a_pipe(path: Path) -> None:
    path.unlink()
    make_pipe(path)


def become_a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def read_all(folder: Path) -> None:
    bundle = Bundle.open(folder)
    bundle.golden_bytes()
    for model in bundle.manifest.models:
        bundle.model_bytes(model)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
@pytest.mark.parametrize("damage", [become_a_pipe, become_a_device])
@pytest.mark.parametrize("file", ["manifest.json", "golden.npz", "model.int8.tflite"])
def test_pipes_and_devices_are_not_read(
    edited_bundle: Edit, damage: Callable[[Path], object], file: str
) -> None:
    folder = edited_bundle(lambda m: None)
    damage(folder / file)
    with raises(BundleError, "pipe, socket or device", source=folder / file):
        read_all(folder)


@pytest.mark.parametrize(
    ("file", "limit"),
    [
        ("manifest.json", 1 << 24),
        ("golden.npz", MAX_GOLDEN_BYTES),
        ("model.int8.tflite", MAX_MODEL_BYTES),
    ],
)
def test_files_of_any_size_are_not_read(edited_bundle: Edit, file: str, limit: int) -> None:
    folder = edited_bundle(lambda m: m["models"][1].update(size_bytes=1 << 40))
    os.truncate(folder / file, 1 << 40)
    with raises(BundleError, 1 << 40, limit, source=folder / file):
        read_all(folder)


@pytest.mark.parametrize(("backend", "precision"), bundle_precisions(*HERE))
def test_the_bytes_that_were_checked_are_opened(
    edited_bundle: Edit, monkeypatch: pytest.MonkeyPatch, backend: str, precision: str
) -> None:
    """A process that swaps the file after the check changes nothing."""
    folder = edited_bundle(lambda m: None)
    inputs = np.ones((1, 130, 22), np.float32)
    expected = Classifier.load(folder, backend=backend, precision=precision).probabilities(inputs)
    check = Bundle.model_bytes

    def swap_after(bundle: Bundle, model: ModelFile) -> bytes:
        content = check(bundle, model)
        (bundle.folder / model.file).write_bytes(b"another model")
        return content

    monkeypatch.setattr(Bundle, "model_bytes", swap_after)
    found = Classifier.load(folder, backend=backend, precision=precision).probabilities(inputs)
    np.testing.assert_array_equal(found, expected)


def test_the_golden_clips_that_were_checked_are_read(
    edited_bundle: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Bundle.open(edited_bundle(lambda m: None))
    content = bundle.golden_bytes()
    monkeypatch.setattr(Bundle, "golden_bytes", lambda bundle: content)
    (bundle.folder / "golden.npz").write_bytes(b"other clips")
    assert len(read_golden(bundle)) == 3


def test_plain_file_names_only() -> None:
    for name in ("a/b", "/a", "..", "", "\n"):
        with raises(ConfigError, f"file={name!r}"):
            ModelFile(name, "int8", "features", "0" * 64, 1)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value, without the people's part."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    found: list[tuple[Any, Any]] = [(value, key) for key in keys if key != "about"]
    return found + [place for key in keys if key != "about" for place in places(value[key])]


STRANGE: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 0.5, -0.0, 1e-300, 1e300, HUGE, -HUGE, 2**31, 2**63, 22050),
    *("", "x", "\0", "\ud800", "../x", "float32", "model.int8.onnx", [], [[]], [0], [None], {}),
    *({"a": 1}, [1, 2], ["angry", "sad"], {"file": "x"}),
]


def test_only_our_errors_escape_from_any_values(rng: np.random.Generator, bundle_dir: Path) -> None:
    text = manifest_text(bundle_dir)
    refusals = []
    for _ in range(2000):
        content = json.loads(text)
        for _ in range(rng.integers(1, 3)):
            spots = places(content)
            container, key = spots[rng.integers(len(spots))]
            if rng.random() < 0.2:
                del container[key]
            else:
                container[key] = copy.deepcopy(STRANGE[rng.integers(len(STRANGE))])
        try:
            manifest = Manifest.from_json(json.dumps(content))
        except SerEdgeError as error:
            refusals.append(str(error))
        else:
            assert Manifest.from_json(manifest.to_json()) == manifest
    assert 1000 < len(refusals) < 1900
    assert not any("\n" in refusal for refusal in refusals)


def test_only_our_errors_escape_from_any_bytes(rng: np.random.Generator, bundle_dir: Path) -> None:
    content = json.loads(manifest_text(bundle_dir))
    del content["about"]
    original = json.dumps(content).encode()
    assert Manifest.from_json(original.decode()).about == {}
    interesting = b'0123456789-+.eE"[]{},:\\ntf\x00\x80\xff'
    refusals = []
    for _ in range(3000):
        data = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] = interesting[rng.integers(len(interesting))]
        try:
            Manifest.from_json(data.decode("utf-8", "replace"))
        except SerEdgeError as error:
            refusals.append(str(error))
    assert 1000 < len(refusals) < 2900
    assert not any("\n" in refusal for refusal in refusals)


@needs("onnx")
def test_accepted_manifests_predict_or_refuse(
    rng: np.random.Generator, tmp_path: Path, bundle_dir: Path, golden: dict[str, Any]
) -> None:
    folder = tmp_path / "fuzzed"
    shutil.copytree(bundle_dir, folder)
    original = json.loads(manifest_text(bundle_dir))
    predicted, refusals = 0, []
    for _ in range(100):
        content = json.loads(json.dumps(original))
        spots = [(c, k) for c, k in places(content) if isinstance(c[k], int | float)]
        container, key = spots[rng.integers(len(spots))]
        container[key] = type(container[key])(container[key] * 10 ** rng.uniform(-3, 3))
        (folder / "manifest.json").write_text(json.dumps(content))
        try:
            prediction = Classifier.load(folder, backend="onnx").predict(
                golden["clip0_samples"], 22050
            )
        except SerEdgeError as error:
            refusals.append(str(error))
        else:
            predicted += 1
            assert abs(sum(prediction.probabilities.values()) - 1) < 1e-9
    assert predicted > 20
    assert len(refusals) > 5
    assert not any("\n" in refusal for refusal in refusals)


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"metrics": []},
        {"metrics": {"all": {"uar": "good"}}, "protocol": {"name": "speaker"}},
        {"metrics": {"all": {"uar": 0.5}}},
        {"metrics": {"all": 5}, "protocol": 5},
        {"corpora": [1, 2]},
        {"corpora": None},
        {"licence": ["x"]},
    ],
    ids=str,
)
def test_what_it_tells_people_may_be_anything(
    edited_bundle: Edit, capsys: pytest.CaptureFixture[str], about: dict[str, Any]
) -> None:
    folder = edited_bundle(lambda m: m.update(about=about))
    assert main(["info", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["about"] == about
    status = main(["info", str(folder)])
    out, err = capsys.readouterr()
    if status:
        assert err.count("\n") == 1
        assert "about" in err
        assert not out
    else:
        assert "licence" in out
