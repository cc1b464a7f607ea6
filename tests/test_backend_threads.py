"""Eight threads share a classifier and compute what one thread computes."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import bundle_precisions

from ser_edge.backends import INTERPRETERS

Fresh = Callable[..., subprocess.CompletedProcess[str]]

# In a new process: tflite-runtime fails where TensorFlow was imported. Threads switch every 10 µs,
# and a network takes at least 15 µs, so switches happen inside it.
EIGHT = """
import json, sys, threading
import numpy as np
from ser_edge import Classifier

folder, backend, precision = sys.argv[1:]
classifier = Classifier.load(folder, backend=backend, precision=precision)
golden = np.load(folder + "/golden.npz")
inputs = [golden[f"clip{i % 3}_inputs"] * (1 + i / 24) for i in range(24)]
clips = [golden[f"clip{i}_samples"] for i in range(3)]
rate = classifier.bundle.manifest.input.features.sample_rate
jobs = [lambda x=x: classifier.backend.run(x) for x in inputs]
jobs += [lambda c=c: list(classifier.predict(c, rate).probabilities.values()) for c in clips]
expected = [job() for job in jobs]
barrier, wrong, failed = threading.Barrier(8), [0] * 8, []

def work(number):
    order = np.random.default_rng(number).permutation(len(jobs))
    barrier.wait()
    try:
        for i in [*order] * 3:
            wrong[number] += not np.array_equal(jobs[i](), expected[i])
    except Exception as error:
        failed.append(repr(error))

sys.setswitchinterval(1e-5)
threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps({"wrong": wrong, "failed": failed}))
"""


@pytest.mark.parametrize(("backend", "precision"), bundle_precisions(*INTERPRETERS))
def test_eight_threads_compute_what_one_does(
    bundle_dir: Path, fresh: Fresh, backend: str, precision: str
) -> None:
    done = fresh(EIGHT, bundle_dir, backend, precision, check=True)
    found = json.loads(done.stdout)
    assert found == {"wrong": [0] * 8, "failed": []}


FORK = """
import os, signal, sys
import numpy as np
from ser_edge import Classifier

folder, backend, precision = sys.argv[1:]
model = Classifier.load(folder, backend=backend, precision=precision, threads=2).backend
inputs = np.load(folder + "/golden.npz")["clip0_inputs"]
expected = model.run(inputs)
lock = getattr(model, "_lock", None)
if lock: lock.acquire()  # as another thread may hold it
child = os.fork()
if child == 0:
    signal.alarm(30)  # ends a child that waits for ever
    os._exit(not np.array_equal(model.run(inputs), expected))
if lock: lock.release()
print(os.waitpid(child, 0)[1], np.array_equal(model.run(inputs), expected))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize(("backend", "precision"), bundle_precisions(*INTERPRETERS))
def test_a_forked_process_computes_the_same(
    bundle_dir: Path, fresh: Fresh, backend: str, precision: str
) -> None:
    assert fresh(FORK, bundle_dir, backend, precision, check=True).stdout == "0 True\n"
