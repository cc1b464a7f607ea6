"""The command `ser-edge bench`: what it writes, how it exits, and what it refuses ahead of work."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measured import result

from ser_edge.cli.command_line import main
from ser_edge_bench import command
from ser_edge_bench.bench_clip import wav_bytes
from ser_edge_bench.metrics import NAMES
from ser_edge_bench.result import Result

ROOT = Path(__file__).parents[1]
FAST = [
    "--processes",
    "1",
    "--runs",
    "3",
    "--seconds",
    "0",
    "--warmup-runs",
    "0",
    "--warmup-s",
    "0",
]
NUMERIC = ["--variant", "float32.numeric"]

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> Callable[[Result | None], None]:
    """Measure nothing: fail where it is tried, or give this."""

    def give(made: Result | None = None) -> None:
        def measure(*_: Any, **__: Any) -> Result:
            assert made is not None, "it was measured"
            return made

        monkeypatch.setattr(command, "measure", measure)

    return give


def bench(*words: object) -> int:
    return main(["bench", *map(str, words)])


def test_a_whole_run(bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, page = tmp_path / "bench.json", tmp_path / "bench.md"
    budgets = ["--budget", "size_kb<=1000", "--budget", "float32.numeric:network.p50_ms>=0"]
    status = bench(*(bundle_dir, *FAST, *NUMERIC, "--json", out, "--markdown", page, *budgets))
    said, err = capfd.readouterr()
    assert (status, err) == (0, "")
    assert said.startswith("bundle ")
    assert "ok     float32.numeric:size_kb is" in said
    content = json.loads(out.read_text("utf-8"))
    assert [verdict["ok"] for verdict in content["budgets"]] == [True, True]
    assert content["baseline"] is None
    assert content["variants"][0]["name"] == content["default"] == "float32.numeric"
    assert page.read_text("utf-8").startswith("## ser-edge bench")
    assert {path.name for path in tmp_path.iterdir()} == {"bench.json", "bench.md"}


def test_ones_own_recording(
    bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "mine.wav"
    clip.write_bytes(wav_bytes(np.sin(np.arange(32000, dtype=np.float32)), 16000))
    assert bench(bundle_dir, *FAST, *NUMERIC, "--clip", clip, "--json") == 0
    content = json.loads(capfd.readouterr().out)
    assert content["clip"] == {"name": "mine.wav", "rate": 16000, "seconds": 2.0, "windows": 1}


def test_json_and_markdown_may_be_printed(
    bundle_dir: Path, unmeasured: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    unmeasured(result())
    assert bench(bundle_dir, "--json") == 0
    assert json.loads(capfd.readouterr().out)["schema"] == "ser-edge-bench"
    assert bench(bundle_dir, "--markdown") == 0
    assert capfd.readouterr().out.startswith("## ser-edge bench")


def test_a_budget_that_is_not_kept(
    bundle_dir: Path, unmeasured: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    unmeasured(result())
    assert bench(bundle_dir, "--budget", "size_kb<=1", "--budget", "peak_mb>=0") == 1
    out, err = capfd.readouterr()
    assert re.search(r"^over +int8\.litert:size_kb", out, re.MULTILINE)
    assert re.fullmatch(r"ser-edge: int8\.litert:size_kb is \d+, .* over its budget of 1\n", err)


def test_a_file_of_budgets(
    bundle_dir: Path, tmp_path: Path, unmeasured: Callable[..., None]
) -> None:
    unmeasured(result())
    path = tmp_path / "budgets.json"
    for limit, status in (("1e9", 0), ("1", 1)):
        path.write_text(json.dumps({"budgets": [f"size_kb<={limit}"]}), "utf-8")
        assert bench(bundle_dir, "--budgets", path) == status


def test_a_baseline(
    bundle_dir: Path,
    tmp_path: Path,
    unmeasured: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    old = tmp_path / "old.json"
    old.write_text(json.dumps(result().to_dict()), "utf-8")
    unmeasured(result())
    assert bench(bundle_dir, "--baseline", old) == 0
    unmeasured(result(kernels=13.0))
    assert bench(bundle_dir, "--baseline", old, "--max-slowdown", "1.4") == 0
    capfd.readouterr()
    assert bench(bundle_dir, "--baseline", old, "--json") == 1
    out, err = capfd.readouterr()
    assert "features takes 1.30 times what it took, at least 1.30" in err
    assert len(err.splitlines()) == 7
    assert json.loads(out)["baseline"]["ratios"]["features"]["low"] == pytest.approx(1.3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threads", "0"], "argument --threads: '0'; expected a whole number, at least 1"),
        (["--processes", "0"], "argument --processes: '0'; expected a whole number"),
        (["--runs", "x"], "argument --runs: 'x'; expected a whole number, at least 1"),
        (["--seconds", "-1"], "argument --seconds: '-1'; expected seconds from 0 to 3600"),
        (["--budget", "size_kb"], "argument --budget: 'size_kb'; expected [VARIANT:]METRIC<="),
        (["--budget", "speed<=1"], "names no metric 'speed'; there are STAGE.pNN_ms or STAGE"),
        (["--budget", "int4.litert:size_kb<=1"], "there is no variant 'int4.litert' in "),
        (["--variant", "int8"], "there are float32.litert, int8.litert, float32.tflite, "),
        (["--budgets", "none.json"], "argument --budgets: none.json: cannot be read"),
        (["--max-slowdown", "1.2"], "--max-slowdown goes with --baseline"),
        (["--max-slowdown", "0.9"], "expected a ratio from 1 to 100"),
        (["--baseline", "old.json", "--quick"], "--baseline needs at least --processes 3"),
        (["--json", "--markdown"], "only one can be printed"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_wrong_usage_is_told_ahead_of_the_work(
    bundle_dir: Path,
    unmeasured: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    unmeasured()
    with pytest.raises(SystemExit) as caught:
        bench(bundle_dir, *words)
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("usage: ser-edge")
    assert message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--json", "no/such/bench.json"], "no/such/bench.json: there is no such folder"),
        (["--markdown", "."], ".: is a folder; name a file in it for --markdown"),
        (["--json", "there"], "there: exists already; choose another --json, or allow --overwrite"),
        (["--threads", "65"], "threads=65; expected 1 to 64"),
        (["--clip", "none.wav"], "none.wav: does not exist"),
        (["--clip", "there"], "there: "),
        (["--baseline", "none.json"], "none.json: cannot be read"),
        (["--baseline", "there"], "there: is not JSON"),
    ],
)
def test_what_cannot_be_used_is_told_ahead_of_the_work(
    bundle_dir: Path,
    tmp_path: Path,
    unmeasured: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    unmeasured()
    monkeypatch.chdir(tmp_path)
    Path("there").write_text("something else")
    assert bench(bundle_dir, *words) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"ser-edge: {message}")
    assert err.count("\n") == 1
    assert Path("there").read_text() == "something else"


def test_pictures_are_told_by_their_suffix(
    bundle_dir: Path, unmeasured: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    unmeasured()
    assert bench(bundle_dir, "--plot", "bench.txt") == 1
    assert "bench.txt: is no picture" in capfd.readouterr().err


def test_without_matplotlib_no_time_is_lost(
    bundle_dir: Path,
    unmeasured: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    unmeasured()
    for name in ("matplotlib", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    assert bench(bundle_dir, "--plot", "bench.png") == 1
    assert "pip install 'ser-edge[plot]'" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="knows no such folder")
def test_a_folder_that_cannot_be_written_to(
    bundle_dir: Path, unmeasured: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    unmeasured()
    assert bench(bundle_dir, "--json", "/proc/bench.json") == 1  # not even by root
    assert "/proc/bench.json: cannot be written there (" in capfd.readouterr().err


def test_bundles_that_are_none(
    tmp_path: Path,
    edited_bundle: Edit,
    unmeasured: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    unmeasured()
    assert bench(tmp_path / "none") == 1
    assert "there is no such folder; expected a bundle" in capfd.readouterr().err
    without = edited_bundle(lambda manifest: manifest.update(golden_sha256=""))
    assert bench(without) == 1
    assert capfd.readouterr().err.endswith("or give a recording, --clip FILE\n")


def test_a_damaged_file_fails(
    bundle_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(bundle_dir, folder)
    path = folder / "model.float32.npz"
    path.write_bytes(path.read_bytes()[:1000])
    assert bench(folder, *FAST) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "model.float32.npz: is damaged or was changed" in err


@pytest.mark.parametrize("step", ["golden_clip", "measure"])
def test_an_interruption(
    bundle_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    step: str,
) -> None:
    def interrupt(*_: Any, **__: Any) -> Result:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, step, interrupt)
    assert bench(bundle_dir, "--json", tmp_path / "bench.json") == 130
    assert capfd.readouterr() == ("", "ser-edge: interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_leaves_no_process(bundle_dir: Path, tmp_path: Path) -> None:
    """As a terminal sends it: to the whole group."""
    out = tmp_path / "bench.json"
    # Whatever started the tests may ignore the signal, and what it starts inherits that.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heed}; import sys; from ser_edge.cli.command_line import main; sys.exit(main(sys.argv[1:]))"
    words = ["bench", bundle_dir, *NUMERIC, "--seconds", "600", "--json", out]
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        try:
            until = time.monotonic() + 60
            while not (measuring := of_session(process.pid, "ser_edge_bench.rounds")):
                assert time.monotonic() < until, "it never measured"
                assert process.poll() is None
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            said, err = process.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, said) == (130, "")
    assert err == "ser-edge: interrupted; nothing was written\n"
    assert len(measuring) == 1
    assert of_session(process.pid) == []
    assert list(tmp_path.iterdir()) == []


def of_session(session: int, words: str = "") -> list[int]:
    """Return the processes of a session that run, with these words in their command."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            pid = int(folder.name)
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            said = (folder / "cmdline").read_bytes().decode(errors="replace")
            if os.getsid(pid) == session and state != "Z" and words in said:
                found.append(pid)
    return found


def test_the_docs_name_every_metric_and_every_entry(bundle_dir: Path) -> None:
    page = (ROOT / "docs" / "benchmarking.md").read_text("utf-8")
    for entry in result().to_dict():
        assert f"| `{entry}`" in page
    for name in NAMES:
        stage, _, percentile = name.partition(".")
        bare = re.sub("_(ms|kernels)$", "", stage)
        assert f"`{stage}`" in page or f"`{bare}_ms`" in page or f"`{bare}`" in page, name
        assert not percentile or "`STAGE.pNN_ms`" in page
