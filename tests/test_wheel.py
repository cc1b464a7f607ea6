"""The wheel holds what it should, and predicts where only NumPy and one interpreter are."""

import json
import os
import subprocess
import sys
import wave
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "ser_edge": ROOT / "ser_edge",
    "ser_edge_train": ROOT / "train" / "ser_edge_train",
    "ser_edge_export": ROOT / "export" / "ser_edge_export",
    "ser_edge_bench": ROOT / "benchmarks" / "ser_edge_bench",
}
LICENCES = ("LICENSE", "LICENSE-CC-BY-NC-SA-4.0")
INTERPRETERS = {
    # What pip would install with it, as far as it is imported.
    "litert": ["ai_edge_litert", "flatbuffers", "typing_extensions.py"],
    "onnx": ["onnxruntime"],
    "numeric": [],
}


def built(folder: Path, *flags: str) -> None:
    command = [sys.executable, "-m", "build", *flags, "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built(folder, "--wheel")
    (path,) = folder.iterdir()
    return path


def test_it_holds_exactly_the_packages(wheel: Path) -> None:
    assert wheel.name == "ser_edge-0.1.0-py3-none-any.whl"
    info = "ser_edge-0.1.0.dist-info"
    expected = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    expected |= {f"{info}/licenses/{name}" for name in LICENCES}
    expected.add("ser_edge_train/speakers.json")
    pretrained = PACKAGES["ser_edge"] / "pretrained"
    expected |= {f"ser_edge/pretrained/{path.name}" for path in pretrained.iterdir()}
    for package, folder in PACKAGES.items():
        expected.add(f"{package}/py.typed")
        expected |= {f"{package}/{p.relative_to(folder).as_posix()}" for p in folder.rglob("*.py")}
    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) == expected
        assert "ser_edge/backends/tflite.py" in expected
        assert "ser-edge = ser_edge.cli.command_line:entry_point" in archive.read(
            f"{info}/entry_points.txt"
        ).decode("utf-8")


def test_the_sdist_makes_the_same_wheel(tmp_path: Path, wheel: Path) -> None:
    built(tmp_path)  # the source distribution, and the wheel out of that
    assert (tmp_path / "ser_edge-0.1.0.tar.gz").exists()
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(tmp_path / wheel.name) as other:
        assert {i.filename: i.CRC for i in one.infolist()} == {
            i.filename: i.CRC for i in other.infolist()
        }


def test_it_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= 1.5 * 1024 * 1024


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_bytes(archive.read("ser_edge-0.1.0.dist-info/METADATA"))


def test_it_needs_numpy_alone(wheel: Path) -> None:
    stated = metadata(wheel)
    needed = stated.get_all("Requires-Dist")
    assert needed is not None
    assert [need for need in needed if "extra ==" not in need] == ["numpy>=1.24"]
    extras = stated.get_all("Provides-Extra")
    assert extras is not None
    assert {"litert", "tflite", "onnx", "train", "export"} <= set(extras)
    assert not {"dev", "test"} & set(extras)
    assert stated["License-Expression"] == "Apache-2.0 AND CC-BY-NC-SA-4.0"
    assert stated["Requires-Python"] == ">=3.10"


def bare(folder: Path, wheel: Path, *packages: str) -> Path:
    """Make a site-packages folder that holds the wheel, NumPy and these packages."""
    numpy = find_spec("numpy")
    assert numpy is not None
    assert numpy.origin is not None
    site = Path(numpy.origin).parents[1]
    for name in ("numpy", "numpy.libs", *packages):
        if (site / name).exists():
            (folder / name).symlink_to(site / name)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(site: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run ``ser-edge`` with no other packages than those in a folder."""
    command = [sys.executable, "-S", "-m", "ser_edge", *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=site, check=False
    )


@pytest.fixture
def clip(tmp_path: Path, golden: dict[str, Any]) -> Path:
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(golden["clip1_samples"].tobytes())
    return path


@pytest.mark.parametrize(
    ("backend", "precision"),
    [(backend, "float32") for backend in INTERPRETERS] + [("litert", "int8"), ("onnx", "int8")],
)
def test_it_predicts_with_numpy_and_one_interpreter(
    tmp_path: Path, wheel: Path, bundle_dir: Path, clip: Path, backend: str, precision: str
) -> None:
    (tmp_path / "site").mkdir()
    site = bare(tmp_path / "site", wheel, *INTERPRETERS[backend])
    done = run(site, "predict", clip, "--bundle", bundle_dir, "--precision", precision)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(clip))
    verified = run(site, "verify", bundle_dir)
    assert (verified.returncode, verified.stderr) == (0, "")
    output = run(site, "info", bundle_dir).stdout
    interpreters = output.split("interpreters")[1].split("\n")[0].split(",")
    yes = [word for word in interpreters if "yes" in word]
    assert [word.split()[0] for word in yes] == list(dict.fromkeys([backend, "numeric"]))


@pytest.mark.parametrize("backend", INTERPRETERS)
def test_it_answers_at_once(tmp_path: Path, wheel: Path, clip: Path, backend: str) -> None:
    (tmp_path / "site").mkdir()
    site = bare(tmp_path / "site", wheel, *INTERPRETERS[backend])
    environment = {k: v for k, v in os.environ.items() if k != "SER_EDGE_BUNDLE"}
    command = [sys.executable, "-S", "-m", "ser_edge", "predict", str(clip)]
    environment["PYTHONPATH"] = str(site)
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=site, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(clip))
    verified = run(site, "verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    # The extra that was installed runs it; NumPy is for devices that have none.
    assert json.loads(run(site, "doctor", "--json").stdout)["chosen"] == backend


def test_it_says_what_is_missing(tmp_path: Path, wheel: Path, bundle_dir: Path, clip: Path) -> None:
    (tmp_path / "site").mkdir()
    site = bare(tmp_path / "site", wheel)
    for words, extra in (
        (["predict", clip, "--bundle", bundle_dir, "--backend", "litert"], "litert"),
        (["train", tmp_path], "train"),
        (["evaluate", tmp_path], "train"),
        (["export", tmp_path, "--int8"], "export"),
        (["listen", "--bundle", bundle_dir], "mic"),
        (["predict", clip, "--plot", tmp_path / "x.png"], "plot"),
        (["demo"], "export"),
    ):
        done = run(site, *words)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert done.stderr.count("\n") == 1
        assert f"pip install 'ser-edge[{extra}]'" in done.stderr
