"""Inside someone else's process: shared by threads, sent to processes, and quiet."""

import copy
import json
import multiprocessing
import pickle
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hanging import HANG_S

from ser_edge import Bundle, BundleError, Classifier
from ser_edge.backends import INTERPRETERS

Fresh = Callable[..., subprocess.CompletedProcess[str]]

SERVER = """
import io, json, logging, os, sys, threading, warnings, wave
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from ser_edge import Classifier, SerEdgeError

warnings.simplefilter("error")
rng = np.random.default_rng(7)

def wav(rate, seconds, channels):
    time = np.arange(int(rate * seconds))[:, None] / rate
    clip = np.sin(rng.uniform(600, 2000) * time) * np.sin(3 * time) ** 2
    clip = 0.3 * clip + 0.01 * rng.standard_normal((len(time), channels))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes((32767 * clip).astype("<i2").tobytes())
    return file.getvalue()

rates = 8000, 16000, 22050, 24414, 44100, 48000
clips = [wav(rate, seconds, seconds % 2 + 1) for rate in rates for seconds in (1, 4, 6)]
clips += [b"not audio", b"", bytes(44) + clips[0]]

def predict(clip):
    try:
        prediction = classifier.predict(clip, max_bytes=10**6, max_s=20, budget_s=60)
    except SerEdgeError as error:
        return str(error)
    return prediction.to_dict() | {"timings_ms": None}

def surroundings():
    return (
        dict(os.environ), np.geterr(), os.getcwd(), threading.active_count(), warnings.filters[:],
        logging.root.handlers[:], logging.root.level, sorted(os.listdir("/proc/self/fd")),
        sys.getrecursionlimit(), np.random.get_state()[1].tolist(),
    )

touched = []
def watch(event, arguments):
    if event == "open":  # for reading alone, since Python opens the modules that it imports
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND):
            touched.append((event, str(arguments)))
    elif event.partition(".")[0] in ("socket", "subprocess", "shutil", "tempfile", "glob", "os"):
        if event not in ("os.listdir", "os.scandir"):
            touched.append((event, str(arguments)))

classifier = Classifier.load(sys.argv[1], backend=sys.argv[2])
before = surroundings()
sys.addaudithook(watch)
one_by_one = [predict(clip) for clip in clips]
opened = list(touched)
unchanged = surroundings() == before
with ThreadPoolExecutor(8) as pool:
    at_once = [list(pool.map(predict, clips)) for _ in range(3)]
open("seen", "w").close()  # shows that the audit hook works
print(json.dumps({
    "results": one_by_one, "same": all(results == one_by_one for results in at_once),
    "touched": opened, "awake": len(touched), "unchanged": unchanged,
}))
"""


@pytest.mark.parametrize("backend", list(INTERPRETERS))
def test_a_classifier_serves_eight_threads_and_touches_nothing(
    fresh: Fresh, bundle_dir: Path, tmp_path: Path, backend: str
) -> None:
    interpreter = INTERPRETERS[backend]
    if not interpreter.usable:
        pytest.skip(f"{interpreter.package} cannot be used here")
    if not any(
        model.suffix == interpreter.suffix for model in Bundle.open(bundle_dir).manifest.models
    ):
        pytest.skip(f"the test bundle holds no {interpreter.suffix}")
    done = fresh(SERVER, bundle_dir, backend, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    results = found["results"]
    assert len({json.dumps(result) for result in results}) == len(results) == 21
    assert [isinstance(result, str) for result in results] == 18 * [False] + 3 * [True]
    assert found["same"]
    assert found["touched"] == []
    assert found["awake"] == 1
    assert found["unchanged"]
    assert [path.name for path in tmp_path.iterdir()] == ["seen"]


def test_the_package_logs_only_if_the_application_does(fresh: Fresh, bundle_dir: Path) -> None:
    code = (
        "import logging, sys, numpy as np, ser_edge\n"
        "def predict():\n"
        "    classifier = ser_edge.Classifier.load(sys.argv[1], backend='onnx')\n"
        "    classifier.predict(np.tile(np.array([-9000, 9000], np.int16), 9000), 22050)\n"
        "predict()\n"
        "assert not logging.root.handlers\n"
        "print([type(h).__name__ for h in logging.getLogger('ser_edge').handlers])\n"
        "logging.basicConfig(level='DEBUG', format='%(name)s: %(message)s')\n"
        "predict()\n"
    )
    done = fresh(code, bundle_dir)
    assert done.stdout == "['NullHandler']\n"
    [line] = done.stderr.splitlines()
    assert line.startswith("ser_edge.classifier: ")
    assert str(bundle_dir) in line
    assert "model.int8.onnx" in line


@pytest.fixture
def moved(bundle_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bundle_dir, tmp_path / "bundle")


def predicted(classifier: Classifier, samples: Any) -> dict[str, Any]:
    return {**classifier.predict(samples, 22050).to_dict(), "timings_ms": None}


def test_a_classifier_goes_to_another_process(
    bundle_dir: Path, golden: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both with the same number of BLAS threads, which decides last digits; commands set it.
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    classifier = Classifier.load(bundle_dir, backend="onnx", precision="float32", threads=2)
    samples = golden["clip2_samples"]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(predicted, classifier, samples).result(timeout=HANG_S)
        back = pool.submit(copy.copy, classifier).result(timeout=HANG_S)
    assert found == predicted(classifier, samples)
    for again in (back, copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))):
        assert repr(again) == repr(classifier)
        assert (again.backend_name, again.model, again.threads) == ("onnx", classifier.model, 2)
        assert predicted(again, samples) == found


def test_a_pickle_names_its_bundle_by_its_whole_path(
    moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(moved.parent)
    classifier = Classifier.load("bundle", backend="onnx")
    monkeypatch.chdir("/")
    pickled = pickle.dumps(classifier)
    assert len(pickled) < 1000
    assert pickle.loads(pickled).bundle.folder == moved
    moved.rename(moved.parent / "elsewhere")
    with pytest.raises(BundleError) as caught:
        pickle.loads(pickled)
    assert str(moved) in str(caught.value)


def test_results_can_be_pickled(bundle_dir: Path, golden: dict[str, Any]) -> None:
    classifier = Classifier.load(bundle_dir, backend="onnx")
    prediction = classifier.predict(golden["clip2_samples"], 22050)
    assert pickle.loads(pickle.dumps(prediction)) == prediction
    assert pickle.loads(pickle.dumps(classifier.bundle)) == classifier.bundle
    with pytest.raises(BundleError) as caught:
        Classifier.load("gone")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
