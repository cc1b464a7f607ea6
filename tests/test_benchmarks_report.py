"""The benchmarks' report, plots and README tables come of the results' files alone."""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("needs a checkout, with its benchmarks", allow_module_level=True)

ABOUT = {
    "date": "2030-01-02",
    "cpu": "Abacus",
    "cores": 3,
    "system": "Linux",
    "versions": {"python": "3.99", "numpy": "7.8.9"},
}
CURVE = {
    "size": [1, 2],
    "ms": [1.0, 2.0],
    "intercept_ms": 0.125,
    "slope_ms": 0.875,
    "largest_misfit": 0.01,
    "exponent": 0.96,
}
SCALE = {
    "about": ABOUT,
    "bundle": "tiny",
    "backend": "numeric",
    "length_s": {"features": CURVE},
    "batch": {"numeric, model.float32.npz": CURVE},
    "clips": {},
    "threads": {
        "counts": [1, 2],
        "inference_ms": {"onnx": [0.25, 0.5]},
        "shared_predictions_per_s": [100, 190],
    },
}


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import report

    return report


def write(folder: Path, name: str, found: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


def test_what_was_measured_is_shown_and_the_rest_named(report: ModuleType, tmp_path: Path) -> None:
    write(tmp_path, "scale", SCALE)
    text = report.report(tmp_path)
    row = next(line for line in text.splitlines() if line.startswith("| features"))
    for cell in ("second of the clip", "0.125 ms", "0.875 ms", "1%", "0.96", "1 to 2"):
        assert f" {cell} " in row
    assert "Abacus, 3 cores" in text
    assert "![How does cost grow?](scale.png)" in text
    assert text.count("not measured yet") == 5


def test_without_results_the_report_says_so(report: ModuleType, tmp_path: Path) -> None:
    text = report.report(tmp_path)
    assert text.count("not measured yet") == 6
    assert ".png" not in text


def test_plots_are_drawn_of_what_there_is(report: ModuleType, tmp_path: Path) -> None:
    write(tmp_path, "scale", SCALE)
    report.report_plots.draw(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scale.json", "scale.png"]
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_the_committed_report_is_that_of_the_committed_results(report: ModuleType) -> None:
    results = BENCHMARKS / "results"
    assert (results / "REPORT.md").read_text(encoding="utf-8") == report.report(results)


def test_documents_show_the_committed_results(report: ModuleType, tmp_path: Path) -> None:
    documents = ("README.md", "docs/raspberry-pi.md")
    (tmp_path / "docs").mkdir()
    for name in documents:
        shutil.copy(ROOT / name, tmp_path / name)
    report.readme_tables.fill_documents(BENCHMARKS / "results", tmp_path)
    for name in documents:
        filled = (tmp_path / name).read_text(encoding="utf-8")
        assert filled == (ROOT / name).read_text(encoding="utf-8")


def test_documents_follow_their_results(report: ModuleType, tmp_path: Path) -> None:
    shutil.copy(ROOT / "README.md", tmp_path)
    times = {"ser-edge": {"ms": 12.34}, "librosa": {"ms": 56.78}}
    of_numpy = {"librosa_over_ours": 4.6, "ours_over_fft": 1.5, "ours_over_batch": 1.1}
    generation = {"numpy": "7.8.9", "times": times, **of_numpy}
    write(tmp_path, "features", {"numpy": {"generations": [generation]}})
    report.readme_tables.fill_documents(tmp_path, tmp_path)
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith("| 7.8.9"))
    for cell in ("12.34 ms", "56.78 ms", "4.6 times", "1.50 times", "1.10 times"):
        assert f" {cell} " in row


def test_rounding_keeps_digits_and_types(report: ModuleType) -> None:
    rounded = report.record.rounded({"a": [0.123456, 12345678], "b": "0.123456", "c": None})
    assert rounded == {"a": [0.1235, 12345678], "b": "0.123456", "c": None}


def test_a_line_is_fitted_as_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    from growth import curve

    fit = curve([1, 2, 4, 8], [3.0, 5.0, 9.0, 17.0])
    assert (fit["intercept_ms"], fit["slope_ms"]) == (1, 2)
    assert fit["largest_misfit"] < 1e-9
    assert curve([1, 10, 100], [2.0, 20.0, 200.0])["exponent"] == pytest.approx(1)
