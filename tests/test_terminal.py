"""What comes from outside is printed without what a terminal would obey; JSON stays as it is."""

from __future__ import annotations

import json
import logging
import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import BUNDLE
from hypothesis import example, given
from hypothesis import strategies as st

from ser_edge.cli.command_line import main
from ser_edge.cli.stderr import PrintableFormatter, print_error
from ser_edge.errors import SerEdgeError
from ser_edge.terminal import printable

Edit = Callable[[Callable[[dict[str, Any]], object]], Path]

# Clears the screen, then pretends to be another line; a right-to-left override; C1's CSI.
HOSTILE = "a\x1b[2J\nser-edge: all ok\u202e\x9b31m\r"
SHOWN = r"a\x1b[2J\nser-edge: all ok\u202e\x9b31m\r"


@pytest.fixture
def clip(tmp_path: Path, golden: dict[str, Any]) -> Path:
    """A golden clip of the test bundle, as a file."""
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 22050, 0, "NONE", ""))
        file.writeframes(golden["clip1_samples"].tobytes())
    return path


@given(st.text())
@example(HOSTILE)
@example("\udcff")
def test_any_text_is_printable_on_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert (shown == text) == text.isprintable()


@given(st.text(min_size=1))
def test_an_error_is_one_line(text: str) -> None:
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("builtins.print", lambda *words, file: lines.append(" ".join(words)))
        print_error(SerEdgeError(text, text, text))
    assert lines == [f"ser-edge: {printable(text)}: {printable(text)}; {printable(text)}"]


def check(out: str) -> None:
    assert SHOWN in out
    assert out.replace("\n", "").isprintable()


def test_log_messages() -> None:
    def shown(message: str, *values: object) -> str:
        return PrintableFormatter().format(logging.makeLogRecord({"msg": message, "args": values}))

    check(shown("skipped %s", Path(HOSTILE)))
    check(shown("%s: %.1f %%", OSError(HOSTILE), 0.5))
    assert shown("%.1f of %d", np.float32(0.5), 3) == "0.5 of 3"
    assert shown("50 %") == "50 %"
    assert shown("a\nb") == "a\nb"


@pytest.mark.parametrize("command", ["info", "verify", "doctor"])
def test_the_name_of_a_bundle(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    folder = tmp_path / HOSTILE
    shutil.copytree(BUNDLE, folder)
    assert main([command, str(folder)]) == 0
    out, err = capfd.readouterr()
    check(out)
    assert err == ""
    assert main([command, str(folder), "--json"]) == 0
    assert str(folder) in json.loads(capfd.readouterr().out).values()


@pytest.mark.parametrize("command", ["info", "verify", "doctor"])
def test_the_name_of_a_missing_bundle(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, str(tmp_path / HOSTILE)]) == 1
    check("".join(capfd.readouterr()))


def test_what_a_manifest_says(edited_bundle: Edit, capfd: pytest.CaptureFixture[str]) -> None:
    folder = edited_bundle(lambda m: m["about"].update(licence=HOSTILE, corpora={HOSTILE: {}}))
    assert main(["info", str(folder)]) == 0
    out = capfd.readouterr().out
    check(out)
    assert out.count(SHOWN) == 2


def test_the_name_of_a_recording(
    tmp_path: Path, bundle_dir: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = clip.rename(tmp_path / f"{HOSTILE}.wav")
    words = [str(clip), "--bundle", str(bundle_dir), "--backend", "numeric"]
    assert main(["predict", *words]) == 0
    check(capfd.readouterr().out)
    assert main(["predict", *words, "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["clip"] == str(clip)
    clip.unlink()
    assert main(["predict", *words]) == 1
    check(capfd.readouterr().err)


@pytest.mark.parametrize("text", ["{}", json.dumps({"format": HOSTILE})])
def test_the_name_of_a_profile(
    tmp_path: Path, bundle_dir: Path, clip: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    profile = tmp_path / HOSTILE
    profile.write_text(text)
    words = [str(clip), "--bundle", str(bundle_dir), "--profile", str(profile)]
    assert main(["predict", *words]) == 1
    check(capfd.readouterr().err)


def test_what_adapt_wrote(
    tmp_path: Path, bundle_dir: Path, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [str(clip), "--bundle", str(bundle_dir), "--out", str(tmp_path / HOSTILE)]
    assert main(["adapt", *words]) == 0
    check(capfd.readouterr().out)


def test_a_table_and_the_report_of_a_benchmark() -> None:
    from ser_edge_bench.bench_report import Section

    for markdown in (False, True):
        check(Section("title", notes=[f"recording: {HOSTILE}"]).render(markdown))
    tables = pytest.importorskip("ser_edge_train.tables")
    check(tables.markdown_table(["corpus"], [[HOSTILE]]))
