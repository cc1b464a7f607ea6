"""The report, its plots and the tables of README and docs come from the results files alone."""

import json
import shutil
from pathlib import Path
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
SCALING = {
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


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)


def write(folder: Path, name: str, found: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


def copy_pages(folder: Path) -> list[Path]:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    (folder / "docs").mkdir()
    return [Path(shutil.copy(page, folder / page.relative_to(ROOT))) for page in pages]


def test_report_shows_results_and_names_missing_ones(tmp_path: Path) -> None:
    from write_report import SECTIONS, report

    assert report(tmp_path).count("not measured yet") == len(SECTIONS)
    assert ".png" not in report(tmp_path)
    write(tmp_path, "scaling", SCALING)
    text = report(tmp_path)
    row = next(line for line in text.splitlines() if line.startswith("| features"))
    for cell in ("second of the clip", "0.125 ms", "0.875 ms", "1%", "0.96", "1 to 2"):
        assert f" {cell} " in row
    assert "Abacus, 3 cores" in text
    assert "![How does the cost grow?](scaling.png)" in text
    assert text.count("not measured yet") == len(SECTIONS) - 1


def test_plots_are_drawn_from_available_results(tmp_path: Path) -> None:
    from measuring import report_plots

    write(tmp_path, "scaling", SCALING)
    report_plots.draw(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scaling.json", "scaling.png"]
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_committed_report_equals_committed_results() -> None:
    from write_report import report

    path = BENCHMARKS / "results" / "REPORT.md"
    assert path.read_text(encoding="utf-8") == report()


def test_documents_show_the_committed_results(tmp_path: Path) -> None:
    from measuring import document_tables

    pages = copy_pages(tmp_path)
    document_tables.fill_documents(root=tmp_path)
    for page in pages:
        committed = (ROOT / page.relative_to(tmp_path)).read_text(encoding="utf-8")
        assert page.read_text(encoding="utf-8") == committed


def test_documents_follow_their_results(tmp_path: Path) -> None:
    from measuring import document_tables

    page = tmp_path / "README.md"
    page.write_text("<!-- features:speed -->\nold\n<!-- end -->\n", encoding="utf-8")
    document_tables.fill_documents(tmp_path, tmp_path)
    assert "old" in page.read_text(encoding="utf-8")
    times = {"ser-edge": {"ms": 12.34}, "librosa": {"ms": 56.78}}
    ratios = {"librosa_over_ours": 4.6, "ours_over_fft": 1.5, "ours_over_batch": 1.1}
    generation = {"numpy": "7.8.9", "times": times, **ratios}
    write(tmp_path, "feature_speed", {"numpy": {"generations": [generation]}})
    document_tables.fill_documents(tmp_path, tmp_path)
    rows = page.read_text(encoding="utf-8").splitlines()
    row = next(line for line in rows if line.startswith("| 7.8.9"))
    for cell in ("12.34 ms", "56.78 ms", "4.6 times", "1.50 times", "1.10 times"):
        assert f" {cell} " in row


def test_unknown_mark_is_an_error(tmp_path: Path) -> None:
    from measuring import document_tables

    text = "<!-- features:sped -->\n<!-- end -->\n"
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="features:sped"):
        document_tables.fill_documents(tmp_path, tmp_path)


def test_rounding_keeps_digits_and_types() -> None:
    from measuring.results import rounded

    found = rounded({"a": [0.123456, 12345678], "b": "0.123456", "c": None})
    assert found == {"a": [0.1235, 12345678], "b": "0.123456", "c": None}


def test_growth_of_a_line_is_fitted_exactly() -> None:
    from measuring.turns import fit_growth

    fit = fit_growth([1, 2, 4, 8], [3.0, 5.0, 9.0, 17.0])
    assert (fit["intercept_ms"], fit["slope_ms"]) == (1, 2)
    assert fit["largest_misfit"] < 1e-9
    assert fit_growth([1, 10, 100], [2.0, 20.0, 200.0])["exponent"] == pytest.approx(1)
