"""The command `ser-edge bench`: its files, its exit status, and the checks before any measuring."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured import result

from ser_edge.cli.command_line import main
from ser_edge_bench import command
from ser_edge_bench.clip import wav_bytes
from ser_edge_bench.figures import NAMES
from ser_edge_bench.result import BenchResult

ROOT = Path(__file__).parents[1]
FAST = "--processes 1 --runs 3 --seconds 0 --warmup-runs 0 --warmup-s 0".split()
NUMERIC = ["--variant", "float32.numeric"]

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]
Output = pytest.CaptureFixture[str]
Unmeasured = Callable[..., None]


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> Unmeasured:
    """Replace `measure`: return a made-up result, or fail if it is called."""

    def replace(made: BenchResult | None = None) -> None:
        def measure(*_: Any, **__: Any) -> BenchResult:
            assert made is not None, "it was measured"
            return made

        monkeypatch.setattr(command, "measure", measure)

    replace()
    return replace


def bench(*words: object) -> int:
    return main(["bench", *map(str, words)])


def test_a_whole_run(bundle_dir: Path, tmp_path: Path, capfd: Output) -> None:
    out, page = tmp_path / "bench.json", tmp_path / "bench.md"
    budgets = ["--budget", "size_kb<=1000", "--budget", "float32.numeric:network.p50_ms>=0"]
    status = bench(bundle_dir, *FAST, *NUMERIC, "--json", out, "--markdown", page, *budgets)
    printed, errors = capfd.readouterr()
    assert (status, errors) == (0, "")
    assert printed.startswith("ser-edge bench: ")
    assert re.search(r"^float32\.numeric:size_kb<=1000 +\d+\.\d +ok$", printed, re.MULTILINE)
    content = json.loads(out.read_text("utf-8"))
    assert [verdict["ok"] for verdict in content["budgets"]] == [True, True]
    assert content["baseline"] is None
    assert content["variants"][0]["name"] == content["default"] == "float32.numeric"
    assert page.read_text("utf-8").startswith("## ser-edge bench")
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "bench.md"}


def test_a_recording_of_the_user(bundle_dir: Path, tmp_path: Path, capfd: Output) -> None:
    clip = tmp_path / "mine.wav"
    clip.write_bytes(wav_bytes(np.sin(np.arange(32000, dtype=np.float32)), 16000))
    assert bench(bundle_dir, *FAST, *NUMERIC, "--clip", clip, "--json") == 0
    content = json.loads(capfd.readouterr().out)
    expected = {"name": "mine.wav", "sample_rate": 16000, "seconds": 2.0, "windows": 1}
    assert content["clip"] == expected


def test_json_and_markdown_on_stdout(
    bundle_dir: Path, unmeasured: Unmeasured, capfd: Output
) -> None:
    unmeasured(result())
    assert bench(bundle_dir, "--json") == 0
    assert json.loads(capfd.readouterr().out)["format"] == "ser-edge-bench"
    assert bench(bundle_dir, "--markdown") == 0
    assert capfd.readouterr().out.startswith("## ser-edge bench")


def test_a_missed_budget(bundle_dir: Path, unmeasured: Unmeasured, capfd: Output) -> None:
    unmeasured(result())
    assert bench(bundle_dir, "--budget", "size_kb<=1", "--budget", "peak_mb>=0") == 1
    printed, errors = capfd.readouterr()
    assert re.search(r"^int8\.litert:size_kb<=1 +\d+ +missed$", printed, re.MULTILINE)
    assert re.fullmatch(r"ser-edge: int8\.litert:size_kb<=1 .*\n", errors)


def test_a_baseline(
    bundle_dir: Path, tmp_path: Path, unmeasured: Unmeasured, capfd: Output
) -> None:
    old = tmp_path / "old.json"
    old.write_text(json.dumps(result().to_dict()), "utf-8")
    setting = result().setting
    for kernels, more, status in ((10, [], 0), (13, ["--max-slowdown", "1.4"], 0), (13, [], 1)):
        unmeasured(result(kernels=kernels))
        assert bench(bundle_dir, "--baseline", old, "--json", *more) == status
        printed, errors = capfd.readouterr()
        assert len(errors.splitlines()) == 7 * status
    assert errors.startswith("ser-edge: decode takes 1.30 times")
    assert json.loads(printed)["baseline"]["ratios"]["features"]["low"] == pytest.approx(1.3)
    other = {**result().to_dict(), "clip": {**setting.clip, "windows": 9}}
    old.write_text(json.dumps(other), "utf-8")
    unmeasured()
    assert bench(bundle_dir, "--baseline", old) == 2
    assert "windows=9" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "value"),
    [
        *((["--threads", "0"], "value=0"), (["--threads", "65"], "value=65")),
        *((["--processes", "0"], "value=0"), (["--runs", "x"], "'x'"), (["--seconds", "x"], "'x'")),
        *((["--seconds", "-1"], "seconds=-1"), (["--warmup-s", "nan"], "warmup_s=nan")),
        *((["--budget", "size_kb"], "'size_kb'"), (["--budget", "speed<=1"], "'speed'")),
        *((["--budget", "int4.litert:size_kb<=1"], "'int4.litert'"), (["--variant", "a"], "'a'")),
        *((["--max-slowdown", "1.2"], "--baseline"), (["--json", "--markdown"], "--markdown")),
        (["--max-slowdown", "0.9", "--baseline", "old.json"], "0.9"),
        (["--baseline", "old.json", "--quick"], "--processes 3"),
        (["--colour"], "--colour"),
    ],
)
@pytest.mark.usefixtures("unmeasured")
def test_wrong_usage_before_any_measuring(
    bundle_dir: Path, capfd: Output, words: list[str], value: str
) -> None:
    try:
        status: Any = bench(bundle_dir, *words)
    except SystemExit as exit_:  # by argparse
        status = exit_.code
    assert status == 2
    printed, errors = capfd.readouterr()
    assert printed == ""
    assert value in errors


@pytest.mark.parametrize(
    ("words", "value"),
    [
        *((["--json", "no/such/bench.json"], "no/such"), (["--markdown", "."], "--markdown")),
        *((["--json", "there"], "--overwrite"), (["--clip", "none.wav"], "none.wav")),
        *((["--clip", "there"], "there"), (["--baseline", "none.json"], "none.json")),
        *((["--baseline", "there"], "there"), (["--plot", "bench.txt"], "bench.txt")),
    ],
)
@pytest.mark.usefixtures("unmeasured")
def test_unusable_files_before_any_measuring(
    bundle_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Output,
    words: list[str],
    value: str,
) -> None:
    if "--plot" in words:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("something else")
    assert bench(bundle_dir, *words) in (1, 2)
    printed, errors = capfd.readouterr()
    assert printed == ""
    assert re.fullmatch(r"ser-edge: .*\n", errors)
    assert value in errors
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert Path("there").read_text() == "something else"


@pytest.mark.usefixtures("unmeasured")
def test_a_plot_without_matplotlib(
    bundle_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: Output
) -> None:
    for name in ("matplotlib", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    assert bench(bundle_dir, "--plot", "bench.png") == 1
    assert "pip install 'ser-edge[plot]'" in capfd.readouterr().err


@pytest.mark.usefixtures("unmeasured")
def test_bundles_without_golden_clips(tmp_path: Path, edited_bundle: Edit, capfd: Output) -> None:
    assert bench(tmp_path / "none") == 1
    assert str(tmp_path / "none") in capfd.readouterr().err
    assert bench(edited_bundle(lambda manifest: manifest.update(golden_sha256=""))) == 1
    assert "--clip FILE" in capfd.readouterr().err


def test_a_damaged_file(bundle_dir: Path, tmp_path: Path, capfd: Output) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(bundle_dir, folder)
    path = folder / "model.float32.npz"
    path.write_bytes(path.read_bytes()[:1000])
    assert bench(folder, *FAST) == 1
    printed, errors = capfd.readouterr()
    assert printed == ""
    assert "model.float32.npz" in errors


@pytest.mark.parametrize("step", ["golden_clip", "measure"])
def test_an_interruption(
    bundle_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Output, step: str
) -> None:
    def interrupt(*_: Any, **__: Any) -> BenchResult:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, step, interrupt)
    assert bench(bundle_dir, "--json", tmp_path / "bench.json") == 130
    assert capfd.readouterr() == ("", "ser-edge: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


# Whatever started the tests may ignore SIGINT, and its children inherit that.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from ser_edge.cli.command_line import main
from ser_edge_bench import measurement
measurement._ROUNDS = "endless:rounds"
sys.exit(main(sys.argv[1:]))
"""

# Reports its process by a named pipe, and does not end by itself.
ENDLESS = """
import os, threading
def rounds(*words):
    yield {"stage": "run"}
    with open(PIPE, "w") as pipe:
        pipe.write(f"{os.getpid()}\\n")
    threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes and process groups")
def test_ctrl_c_leaves_no_process(bundle_dir: Path, tmp_path: Path) -> None:
    """A terminal sends SIGINT to the whole group."""
    pipe, out = tmp_path / "pipe", tmp_path / "bench.json"
    os.mkfifo(pipe)
    (tmp_path / "endless.py").write_text(ENDLESS.replace("PIPE", repr(str(pipe))))
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "bench", bundle_dir, *NUMERIC, "--json", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
    ) as process:
        try:
            assert select.select([reader], [], [], 300)[0], "it never measured"
            measuring = int(os.read(reader, 100))
            os.killpg(process.pid, signal.SIGINT)
            printed, errors = process.communicate()
        finally:
            os.close(reader)
            process.kill()
    assert (process.returncode, printed) == (130, "")
    assert errors == "ser-edge: interrupted; nothing was written\n"
    with pytest.raises(ProcessLookupError):
        os.kill(measuring, 0)
    assert not out.exists()


def test_the_docs_explain_every_metric_and_entry() -> None:
    page = (ROOT / "docs" / "benchmarking.md").read_text("utf-8")
    for entry in result().to_dict():
        assert f"| `{entry}`" in page
    for name in NAMES:
        stage, _, percentile = name.partition(".")
        bare = re.sub("_(ms|kernels)$", "", stage)
        assert f"`{stage}`" in page or f"`{bare}_ms`" in page or f"`{bare}`" in page, name
        assert not percentile or "`STAGE.pNN_ms`" in page
