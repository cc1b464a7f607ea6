"""`ser-edge verify`: intact, damaged and altered bundles, and broken interpreters."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hanging import hang
from numpy.typing import NDArray
from raising import raises

from ser_edge import Bundle, BundleError, ConfigError
from ser_edge.backends import INTERPRETERS
from ser_edge.backends.graph_file import graph_bytes, read_graph
from ser_edge.cli.command_line import main
from ser_edge.doctor import diagnose
from ser_edge.verify import Check, ModelCheck, Report, verify
from ser_edge.verify.comparison import TOLERANCES, compare
from ser_edge.verify.golden import read_golden
from ser_edge.verify.model_outputs import ModelOutput, run_models

COMMAND = str(Path(sys.executable).with_name("ser-edge"))
NUMERIC = "model.float32.npz"

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]
Arrays = dict[str, NDArray[Any]]


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Restrict the backends to some."""

    def keep(*names: str) -> None:
        for module in ("ser_edge.verify.verification", "ser_edge.backends"):
            some = {name: INTERPRETERS[name] for name in names}
            monkeypatch.setattr(f"{module}.INTERPRETERS", some)

    return keep


@pytest.fixture
def litert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only: Callable[..., None]) -> Path:
    """The source of a fake LiteRT; numeric is the only other backend."""
    only("litert", "numeric")
    folder = tmp_path / "ai_edge_litert"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "interpreter.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder / "interpreter.py"


def with_golden(folder: Path, content: bytes) -> Path:
    """Replace golden.npz and its digest in the manifest."""
    (folder / "golden.npz").write_bytes(content)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["golden_sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(manifest), "utf-8")
    return folder


def packed(arrays: Arrays) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def failures(report: Report) -> dict[str, str]:
    assert not report.ok
    failed = {check.name: check for check in report.checks if not check.ok}
    models = {f"{model.backend} {model.file}": model for model in report.models if not model.ok}
    return {name: f"{one.detail}; {one.remedy}" for name, one in (failed | models).items()}


def test_an_intact_bundle(bundle_dir: Path) -> None:
    report, bundle = verify(bundle_dir), Bundle.open(bundle_dir)
    assert report.ok
    names = ["manifest", "files", "golden", "features", "inputs", "probabilities"]
    assert [check.name for check in report.checks] == names
    assert {(model.backend, model.file) for model in report.models} == {
        (name, model.file)
        for name, interpreter in INTERPRETERS.items()
        for model in bundle.manifest.models
        if interpreter.usable and model.suffix == interpreter.suffix
    }
    assert set(report.not_tried) == {n for n, i in INTERPRETERS.items() if not i.usable}
    for model in report.models:
        assert model.deviation is not None
        # Measured between interpreters: 1e-7, and in int8 0.02 on these clips.
        assert model.deviation < (1e-5 if model.precision == "float32" else 0.05)


def test_the_command(bundle_dir: Path) -> None:
    environment = {**os.environ, "SER_EDGE_BUNDLE": str(bundle_dir)}
    done = subprocess.run(
        [COMMAND, "verify"], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"bundle         {bundle_dir}"
    assert lines[1] == "manifest       ok        run: 7 labels, input shape (130, 22)"
    assert ["numeric", "ok", "model.float32.npz"] in [line.split()[:3] for line in lines]
    assert lines[-1].startswith("all            ok, in ")


def test_the_command_for_programs(
    bundle_dir: Path, only: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    only("numeric")
    assert main(["verify", str(bundle_dir), "--json"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    content = json.loads(out)
    assert list(content) == [*(field.name for field in fields(Report)), "ok"]
    assert (content["ok"], content["bundle"], content["not_tried"]) == (True, str(bundle_dir), {})
    assert content["models"][0]["file"] == NUMERIC
    assert content["models"][0]["deviation"] < 1e-5


def test_folders_that_are_no_bundle(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path / "gone", tmp_path):
        assert main(["verify", str(folder)]) == 1
        out, err = capfd.readouterr()
        assert err == ""
        assert f"bundle         {folder}\nmanifest       fails     " in out
        assert out.splitlines()[-1].startswith("all            1 check fails, in ")
        assert main(["verify", str(folder), "--json"]) == 1
        assert json.loads(capfd.readouterr().out)["ok"] is False


@pytest.mark.parametrize("check", [verify, diagnose])
@pytest.mark.parametrize("timeout_s", [-1, 0, float("nan"), "1"])
def test_a_timeout_out_of_range(check: Any, timeout_s: Any, bundle_dir: Path) -> None:
    with raises(ConfigError, f"timeout_s={timeout_s!r}"):
        check(bundle_dir, timeout_s=timeout_s)


def test_a_damaged_model_is_not_run(edited_bundle: Edit, only: Callable[..., None]) -> None:
    only("numeric")
    folder = edited_bundle(lambda manifest: None)
    (folder / "model.int8.tflite").write_bytes(b"")
    report = verify(folder)
    (problem,) = failures(report).values()
    assert problem.startswith("model.int8.tflite: ")
    assert "0 bytes" in problem
    assert "copy the whole bundle again" in problem
    assert [model.ok for model in report.models] == [True]
    (folder / NUMERIC).unlink()
    report = verify(folder)
    assert list(failures(report)) == ["files", "interpreters"]
    assert sum(not check.ok for check in report.checks) == 3
    assert report.models == ()


@pytest.mark.parametrize(
    ("damage", "value"),
    [
        (Path.unlink, "No such file or directory"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "sha256"),
    ],
    ids=["gone", "truncated"],
)
def test_damaged_golden_clips(
    edited_bundle: Edit, damage: Callable[[Path], object], value: str
) -> None:
    folder = edited_bundle(lambda manifest: None)
    damage(folder / "golden.npz")
    report = verify(folder)
    assert [check.name for check in report.checks if not check.ok] == ["golden"]
    assert report.models == ()
    with raises(BundleError, value, "copy the whole bundle again"):
        read_golden(Bundle.open(folder))


def of_another_shape(arrays: Arrays) -> None:
    arrays["clip1_features"] = arrays["clip1_features"][:, 1:]


def pickled(arrays: Arrays) -> None:
    arrays["clip1_features"] = np.array([{"a": 1}, None], object)


def foreign(arrays: Arrays) -> None:
    arrays.clear()
    arrays["weights"] = np.ones(3)


CHANGES: dict[str, tuple[Callable[[Arrays], object], tuple[str, ...]]] = {
    "shape": (of_another_shape, ("clip1_features", "(1, 129, 22)", "(1, 130, 22)")),
    "pickled": (pickled, ("clip1_features", "float32")),
    "foreign": (foreign, ("clip0_samples",)),
    "missing": (lambda a: a.pop("clip2_inputs"), ("clip2_inputs",)),
    "a clip in between": (lambda a: a.pop("clip1_samples"), ("clip1_samples",)),
    "type": (lambda a: a.update(clip0_samples=np.zeros(9, np.int64)), ("clip0_samples", "int16")),
    "no samples": (
        lambda a: a.update(clip0_samples=np.zeros(0, np.int16)),
        ("clip0_samples", "(0,)"),
    ),
    "starts": (lambda a: a.update(clip0_starts=np.array([10**6], np.int64)), ("clip0_starts",)),
    "a number": (lambda a: a.update(clip0_starts=np.array(1)), ("clip0_starts", "int64")),
    "columns": (
        lambda a: a.update(clip0_logits=np.asfortranarray(np.ones((2, 7), np.float32))),
        ("clip0_logits", "float32"),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_golden_clips_that_do_not_fit(
    edited_bundle: Edit, golden: Arrays, name: str, only: Callable[..., None]
) -> None:
    only("numeric")
    change, values = CHANGES[name]
    arrays = dict(golden)
    change(arrays)
    folder = with_golden(edited_bundle(lambda manifest: None), packed(arrays))
    with raises(BundleError, *values, "export it again", source=folder / "golden.npz") as caught:
        read_golden(Bundle.open(folder))
    error = caught.value
    assert failures(verify(folder)) == {"golden": f"{error.problem}; {error.remedy}"}


def test_a_bomb_is_not_unpacked(edited_bundle: Edit) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clip0_samples.npy", bytes(1 << 28))
    folder = with_golden(edited_bundle(lambda manifest: None), content.getvalue())
    with raises(BundleError, "128 MiB", "export it again"):
        read_golden(Bundle.open(folder))


def test_a_compression_that_numpy_does_not_write(edited_bundle: Edit, golden: Arrays) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_BZIP2) as archive:
        for name, values in golden.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.save(member, values)
    folder = with_golden(edited_bundle(lambda manifest: None), content.getvalue())
    with raises(BundleError, "compression"):
        read_golden(Bundle.open(folder))


def test_only_our_errors_escape_from_any_bytes(
    edited_bundle: Edit, golden: Arrays, rng: np.random.Generator
) -> None:
    folder = edited_bundle(lambda manifest: None)
    small = {name: values for name, values in golden.items() if name.startswith("clip0")}
    original = packed(small)
    errors = []
    bundle = Bundle.open(with_golden(folder, original))
    assert len(read_golden(bundle)) == 1
    directory = original.index(b"PK\x01\x02")
    for _ in range(400):
        data = bytearray(original)
        for _ in range(rng.integers(1, 4)):
            # Every other time in the directory, which is small.
            first = directory if rng.random() < 0.5 else 0
            data[rng.integers(first, len(data))] = rng.integers(256)
        if rng.random() < 0.2:
            del data[rng.integers(len(data)) :]
        (folder / "golden.npz").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        changed = Bundle(folder, replace(bundle.manifest, golden_sha256=digest))
        try:
            read_golden(changed)
        except BundleError as error:
            errors.append(str(error))
    assert len(errors) > 200
    assert not any("\n" in error for error in errors)


def change_mean(manifest: dict[str, Any]) -> None:
    manifest["input"]["mean"][3] += 1


def change_scale(manifest: dict[str, Any]) -> None:
    manifest["input"]["scale"][0] = 1e-12


def change_bands(manifest: dict[str, Any]) -> None:
    manifest["input"]["features"]["fmax"] = 8000.0


def change_hop(manifest: dict[str, Any]) -> None:
    manifest["input"]["window"]["hop_s"] = 0.5


def change_rate(manifest: dict[str, Any]) -> None:
    manifest["input"]["features"]["sample_rate"] = 16000


def change_labels(manifest: dict[str, Any]) -> None:
    manifest["labels"].pop()
    del manifest["speakers"]


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        (change_mean, "inputs", "1e-05"),
        (change_scale, "inputs", "1e-05"),
        (change_bands, "features", "0.001"),
        (change_hop, "features", "clip 2"),
        (change_rate, "golden", "(1, 94, 22)"),
        (lambda m: m.update(temperature=1.0), "probabilities", "1e-06"),
        (change_labels, "golden", "(1, 6)"),
        (lambda m: m.pop("golden_sha256"), "golden", "golden_sha256"),
    ],
    ids=["mean", "scale", "bands", "hop", "rate", "temperature", "labels", "digest"],
)
def test_a_changed_manifest(
    edited_bundle: Edit,
    only: Callable[..., None],
    change: Callable[[dict[str, Any]], object],
    name: str,
    value: str,
) -> None:
    only("numeric")
    found = failures(verify(edited_bundle(change)))
    assert list(found) == [name]
    assert value in found[name]
    assert "again" in found[name]


def test_silent_clips(edited_bundle: Edit, golden: Arrays, only: Callable[..., None]) -> None:
    only("numeric")
    silent = {**golden, "clip1_samples": np.zeros(66150, np.int16)}
    folder = with_golden(edited_bundle(lambda manifest: None), packed(silent))
    problem = failures(verify(folder))["features"]
    assert problem.startswith("golden clip 1 ")
    assert "silent" in problem


@pytest.mark.filterwarnings("error")
def test_stored_values_that_are_not_finite(
    edited_bundle: Edit, golden: Arrays, only: Callable[..., None]
) -> None:
    only("numeric")
    strange = {name: values.copy() for name, values in golden.items()}
    strange["clip0_features"][0, 0, 0] = np.nan
    strange["clip0_logits"][0, 0] = np.inf
    strange[f"clip1_output_{NUMERIC}"][0, 0] = np.nan
    report = verify(with_golden(edited_bundle(lambda manifest: None), packed(strange)))
    json.dumps(report.to_dict(), allow_nan=False)
    found = failures(report)
    assert list(found) == ["features", "inputs", "probabilities", f"numeric {NUMERIC}"]
    assert all("nan" in problem for problem in found.values())


def test_another_network(edited_bundle: Edit, only: Callable[..., None]) -> None:
    """Intact files, but not those whose outputs are stored."""
    only("numeric")
    graph = read_graph((edited_bundle(lambda manifest: None) / NUMERIC).read_bytes(), NUMERIC)
    *inner, last = graph.ops
    for shift, state in ((1e-4, "agrees"), (0.5, "deviates")):
        arrays = {**last.arrays, "bias": last.arrays["bias"].copy()}
        arrays["bias"][0] += shift
        content = graph_bytes(replace(graph, ops=(*inner, replace(last, arrays=arrays))))

        def put(manifest: dict[str, Any], content: bytes = content) -> None:
            (entry,) = (m for m in manifest["models"] if m["file"] == NUMERIC)
            entry["sha256"] = hashlib.sha256(content).hexdigest()
            entry["size_bytes"] = len(content)

        folder = edited_bundle(put)
        (folder / NUMERIC).write_bytes(content)
        (model,) = verify(folder).models
        assert (model.state, model.ok) == (state, state == "agrees")
        assert ("0.001" in model.detail) == (state == "deviates")
        assert model.deviation is not None
        assert model.deviation > 1e-6


def test_no_interpreter(
    edited_bundle: Edit, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(manifest: dict[str, Any]) -> None:
        manifest["models"] = [m for m in manifest["models"] if m["file"].endswith(".onnx")]

    missing = {"onnx": replace(INTERPRETERS["onnx"], package="onnxruntime_that_is_missing")}
    monkeypatch.setattr("ser_edge.verify.verification.INTERPRETERS", missing)
    monkeypatch.setattr("ser_edge.backends.INTERPRETERS", missing)
    report = verify(edited_bundle(keep))
    assert list(report.not_tried) == ["onnx"]
    (problem,) = failures(report).values()
    assert ".onnx" in problem
    assert "pip install 'ser-edge[onnx]'" in problem
    assert "onnx           not tried not" in str(report)


REINSTALL = "pip install --force-reinstall --no-deps ai-edge-litert"
ON_FLOAT = """
import os
class Interpreter:
    def __init__(self, model_content, num_threads):
        if len(model_content) > 100_000: BEHAVE
        raise ValueError("no such op")
"""


@pytest.mark.parametrize(
    ("code", "state", "float32", "int8"),
    [
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
            "dies",
            ("import", "SIGILL", "pip uninstall ai-edge-litert"),
            ("import", "SIGILL", "pip uninstall ai-edge-litert"),
        ),
        (
            "raise ImportError('GLIBC_2.38 not found')",
            "fails",
            ("import", "ImportError: GLIBC_2.38 not found", REINSTALL),
            ("import", "ImportError: GLIBC_2.38 not found", REINSTALL),
        ),
        (
            ON_FLOAT.replace("BEHAVE", "os.abort()"),
            "dies",
            ("opening", "SIGABRT", REINSTALL),
            ("ai_edge_litert", "no such op", "export"),
        ),
        (
            ON_FLOAT.replace("BEHAVE", "raise KeyError('tensor')"),
            "fails",
            ("opening", "KeyError: 'tensor'", REINSTALL),
            ("ai_edge_litert", "no such op", "export"),
        ),
        (
            ON_FLOAT.replace("BEHAVE", "HANG"),
            "hangs",
            ("opening", "60 s", REINSTALL),
            ("ai_edge_litert", "no such op", "export"),
        ),
    ],
    ids=["dies on import", "no import", "dies on one file", "raises anything", "hangs"],
)
def test_an_interpreter_that_does_not_work(
    bundle_dir: Path,
    litert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    state: str,
    float32: tuple[str, ...],
    int8: tuple[str, ...],
) -> None:
    litert.write_text(code.replace("HANG", hang(tmp_path, monkeypatch)) if "HANG" in code else code)
    report = verify(bundle_dir)
    first, second, numeric = report.models
    assert (first.file, first.state) == ("model.float32.tflite", state)
    assert second.file == "model.int8.tflite"
    for model, values in ((first, float32), (second, int8)):
        for value in values:
            assert value in f"{model.detail}; {model.remedy}"
    assert numeric.ok
    assert report.failures == 2
    assert not report.ok


AUDIO = """
import numpy as np
class Interpreter:
    def __init__(self, model_content, num_threads): self.sums = None
    def allocate_tensors(self): pass
    def get_input_details(self):
        return [{"shape": np.array([1, 66150]), "dtype": np.float32, "index": 0}]
    def get_output_details(self): return [{"dtype": np.float32, "index": 1}]
    def set_tensor(self, index, value): self.samples = value
    def invoke(self): pass
    def get_tensor(self, index):
        shares = np.abs(self.samples[0, :70]).astype(np.float32).reshape(7, 10).sum(axis=1)
        return (shares / shares.sum())[None]
"""


def test_a_file_with_audio_as_input(edited_bundle: Edit, litert: Path, golden: Arrays) -> None:
    """Its outputs are probabilities, without temperature or softmax."""
    litert.write_text(AUDIO)

    def change(manifest: dict[str, Any]) -> None:
        models = [m for m in manifest["models"] if m["file"] in ("model.float32.tflite", NUMERIC)]
        models[0]["input_kind"] = "audio"
        manifest["models"] = models

    outputs = {}
    for i in range(3):
        windows = [golden[f"clip{i}_samples"][s : s + 70] for s in golden[f"clip{i}_starts"]]
        sums = np.abs(np.array(windows, np.float32)).reshape(-1, 7, 10).sum(axis=2)
        shares = sums / sums.sum(axis=1, keepdims=True)
        outputs[f"clip{i}_output_model.float32.tflite"] = shares.astype(np.float32)
    folder = with_golden(edited_bundle(change), packed({**golden, **outputs}))
    report = verify(folder)
    assert report.ok, str(report)
    assert [model.file for model in report.models] == ["model.float32.tflite", NUMERIC]
    assert report.models[0].deviation is not None
    assert report.models[0].deviation < 1e-6
    for change_by, state in ((8e-4, "agrees"), (1.2e-3, "deviates")):
        off = {name: values + np.float32(change_by) for name, values in outputs.items()}
        report = verify(with_golden(folder, packed({**golden, **off})))
        assert report.models[0].state == state
        assert report.models[0].deviation == pytest.approx(change_by, abs=1e-6)


def compared(bundle: Bundle, logits: NDArray[np.float64], file: str = NUMERIC) -> ModelCheck:
    (model,) = (model for model in bundle.manifest.models if model.file == file)
    return compare(bundle, read_golden(bundle), "numeric", model, ModelOutput("works", logits))


def test_unusable_outputs(bundle_dir: Path, edited_bundle: Edit, golden: Arrays) -> None:
    bundle = Bundle.open(bundle_dir)
    good = np.concatenate([golden[f"clip{i}_logits"] for i in range(3)]).astype(np.float64)
    assert compared(bundle, good).ok
    for wrong, values in (
        (good[:, 1:], ("(4, 6)", "24 finite", "(4, 7)")),
        (good[1:], ("(3, 7)", "21 finite", "(4, 7)")),
        (np.where(good > 0, np.nan, good), (f"{(good <= 0).sum()} finite",)),
    ):
        model = compared(bundle, wrong)
        assert (model.state, model.deviation) == ("fails", None)
        assert all(value in model.detail for value in values)
    known = {name: values for name, values in golden.items() if not name.endswith(NUMERIC)}
    older = Bundle.open(with_golden(edited_bundle(lambda manifest: None), packed(known)))
    model = compared(older, good)
    assert (model.state, model.deviation) == ("fails", None)
    assert "golden.npz" in model.detail


def test_labels_may_change_in_a_tie_only(edited_bundle: Edit, golden: Arrays) -> None:
    """Both outputs deviate by less than the tolerance, 0.06 and 0.09."""
    file = "model.int8.onnx"
    temperature = Bundle.open(edited_bundle(lambda _: None)).manifest.temperature
    assert TOLERANCES["int8"] == 0.1
    n_windows = {i: len(golden[f"clip{i}_starts"]) for i in range(3)}

    def logits(shares: list[float], count: int) -> NDArray[np.float32]:
        return np.tile(temperature * np.log(shares), (count, 1)).astype(np.float32)

    for first, second, change, ok in ((0.42, 0.38, 0.06, True), (0.47, 0.33, 0.09, False)):
        then = [first, second, *[0.04] * 5]
        now = [first - change, second + change, *[0.04] * 5]
        stored = {f"clip{i}_output_{file}": logits(then, n) for i, n in n_windows.items()}
        folder = with_golden(edited_bundle(lambda m: None), packed({**golden, **stored}))
        model = compared(Bundle.open(folder), logits(now, 4).astype(np.float64), file)
        assert model.deviation == pytest.approx(change, abs=1e-6)
        assert model.ok == ok
    assert model.detail == "window 0 is disgust, expected angry"


def test_the_job_reports_each_step(bundle_dir: Path) -> None:
    """In this process, so that its coverage is measured."""
    steps = list(run_models(str(bundle_dir), "numeric", NUMERIC, "model.int8.onnx"))
    assert [step.get("stage") for step in steps] == ["open", "run", None, "open", None]
    assert list(steps[-1]["outputs"]) == [NUMERIC]
    problem, remedy = steps[-1]["errors"]["model.int8.onnx"]
    assert "numpy" in problem
    assert "export it again" in remedy


def test_the_table() -> None:
    report = Report(
        bundle="bundle",
        checks=(Check("manifest", True, "good"), Check("files", False, "is gone", "copy it")),
        models=(
            ModelCheck("onnx", "a.onnx", "int8", "agrees", 0.0, 0.1),
            ModelCheck("onnx", "ab.onnx", "int8", "deviates", 0.3, 0.1, "by 0.3", "update"),
            ModelCheck("numeric", "a.npz", "float32", "agrees", 1.4e-7, 1e-3),
        ),
        not_tried={"litert": "not installed; pip install 'ser-edge[litert]'"},
        wall_s=1.3,
    )
    assert str(report).splitlines() == [
        "bundle         bundle",
        "manifest       ok        good",
        "files          fails     is gone",
        "                         copy it",
        "",
        "onnx           ok        a.onnx   as stored",
        "               deviates  ab.onnx  by 0.3",
        "                                  update",
        "numeric        ok        a.npz    deviates by 1e-07, allowed 0.001",
        "litert         not tried not installed; pip install 'ser-edge[litert]'",
        "",
        "all            2 checks fail, in 1.3 s",
    ]
