"""``results/REPORT.md`` with its plots, and README's tables, of the results alone.

python benchmarks/report.py

measures nothing: `make bench` runs the bench_*.py, each of which writes ``results/NAME.json``, and
then this.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import readme_tables
import record
import report_plots
import stream_tables
from ser_edge_train.tables import markdown_table

Found = dict[str, Any]
INTRODUCTION = """# Benchmarks

Made by `python benchmarks/report.py` of the JSON files beside it; `make bench` measures them anew.
Contenders take turns within one run, and figures are medians. Times are of the processor, one
thread, where nothing else is said: ratios carry over to other machines better than times do."""


def sections(folder: Path) -> list[tuple[str, str, str, Callable[[Found], str]]]:
    """List title, result, command and text of each section."""
    return [
        (
            "How fast are the features, and other libraries' MFCC?",
            "features",
            "bench_features.py",
            features,
        ),
        (
            "How close are features to librosa's, and exported forms to Keras's?",
            "parity",
            "bench_parity.py RUN ...",
            parity,
        ),
        ("What do forms and interpreters cost and reach?", "models", "bench_models.py ...", models),
        (
            "What does a process take from its start to its answer?",
            "start",
            "bench_start.py --run RUN --clip CLIP",
            lambda found: start(found, record.read("size", folder)),
        ),
        ("What does a stream cost?", "stream_costs", "bench_stream.py", stream_tables.costs),
        ("How does cost grow?", "scale", "bench_scale.py BUNDLE", scale),
    ]


def report(folder: Path = record.RESULTS) -> str:
    """Render all results that there are."""
    rows, texts = [], []
    for title, name, command, text in sections(folder):
        found = record.read(name, folder)
        heading = f"## {title}\n\n`python benchmarks/{command}`"
        if found is None:
            texts.append(f"{heading}: not measured yet.")
            continue
        about = found["about"]
        versions = about["versions"]
        rows.append(
            (
                f"`{name}.json`",
                about["date"],
                f"{about['cpu']}, {about['cores']} cores",
                about["system"],
                *(versions.get(v, "") for v in ("python", "numpy", "librosa")),
            )
        )
        image = f"\n\n![{title}]({name}.png)" if name in report_plots.PLOTS else ""
        texts.append(f"{heading}\n\n{text(found)}{image}")
    header = ["result", "measured", "processor", "system", "Python", "NumPy", "librosa"]
    parts = [INTRODUCTION, markdown_table(header, rows), *texts]
    return "\n\n".join(parts).rstrip() + "\n"


def features(found: Found) -> str:
    """Warm, by stage, cold, other libraries, throughput."""
    numpys = found["numpy"]
    parts = [
        "ZCR, RMS and 20 MFCC of 2.5 s at 22 050 Hz, processes of each NumPy in turns:",
        readme_tables.speed(found),
    ]
    if numpys["missing"]:
        parts.append(f"NumPy's other generation is missing: {numpys['missing']}")
    ours, theirs = (found["stages_ms"][who] for who in ("ser-edge", "librosa"))
    parts += [
        "By stage; librosa makes its mel filters in each call:",
        markdown_table(
            ["stage", "ser-edge", "librosa"],
            [(stage, f"{ours[stage]:.3f} ms", f"{theirs[stage]:.3f} ms") for stage in ours]
            + [("sum", *(f"{sum(who.values()):.3f} ms" for who in (ours, theirs)))],
        ),
        "In a fresh process, beside NumPy's import; caches of compiled code are there, and librosa "
        "imports its parts with the first call:",
        markdown_table(
            ["library", "import", "first call", "tenth call"],
            [
                (
                    name,
                    f"{row['import_s']:.3f} s",
                    f"{1e3 * row['first_s']:.1f} ms",
                    f"{1e3 * row['tenth_s']:.1f} ms",
                )
                for name, row in found["cold"].items()
            ],
        ),
        "MFCC alone, in one run. Each library is set as near to librosa's as it lets itself be, "
        f"and compared on {found['peers_heard']}, with nothing fitted:",
        markdown_table(
            [
                "library",
                "2.5 s",
                "as fast as librosa",
                "difference: median",
                "99 %",
                "largest",
                "correlation",
                "what it computes",
            ],
            [_peer(name, row) for name, row in found["peers"].items()],
        ),
        "A correlation is that of one coefficient with librosa's, the median of the 20. Where it "
        "is below 1 the library computes something else, which may serve as well, but not a "
        "network that was trained on librosa's.",
    ]
    if found["peers_missing"]:
        parts.append(f"Not installed, and so left out: {', '.join(found['peers_missing'])}.")
    if found["throughput"]:
        parts += [
            "Files of the corpora, decoded, resampled and turned into features, in pools of "
            "processes [wall time]:",
            markdown_table(
                ["library", "processes", "clips a second", "times real time"],
                [
                    (
                        row["way"],
                        row["processes"],
                        f"{row['clips_per_s']:.0f}",
                        f"{row['times_real_time']:.0f}",
                    )
                    for row in found["throughput"]
                ],
            ),
        ]
    return "\n\n".join(parts)


def _peer(name: str, row: Found) -> tuple[str, ...]:
    cells = [f"{name} {row['version']}", f"{row['ms']:.2f} ms", f"{row['librosa_over_it']:.2f}"]
    if "median_difference" not in row:
        return (*cells, "", "", "", "", "the reference")
    differences = (f"{row[f'{what}_difference']:.1e}" for what in ("median", "p99", "largest"))
    return (*cells, *differences, f"{row['correlation']:.4f}", row["computes"] or "librosa's MFCC")


def parity(found: Found) -> str:
    """Distributions of the errors, and forms against Keras."""
    parts = ["Median and largest absolute differences of the published descriptors:"]
    parts.append(readme_tables.parity(found))
    rows = [
        (
            {"same samples": "the same samples"}.get(group, f"files, {group}"),
            corpus,
            name,
            f"{d['n']:,}",
            *(f"{d[what]:.1e}" for what in ("median", "p99", "p999", "largest")),
        )
        for group, by_corpus in found["distributions"].items()
        for corpus, names in by_corpus.items()
        for name, d in names.items()
    ]
    header = ["of", "corpus", "descriptor", "numbers", "median", "99 %", "99.9 %", "largest"]
    parts += [
        "By descriptor and corpus, in the descriptor's unit (MFCC and log_mel in dB, centroid and "
        "rolloff in Hz, the others without):",
        markdown_table(header, rows),
    ]
    for run in found["runs"]:
        parts += [
            f"Forms of `{run['run']}` (recipe `{run['recipe']}`) against Keras, on "
            f"{run['n_clips']} test clips:",
            markdown_table(
                [
                    "file",
                    "interpreter",
                    "same label",
                    "expected of other clips",
                    "largest change",
                    "SNR",
                    "UAR change",
                    "McNemar p",
                ],
                [
                    (
                        f"`{form['file']}`",
                        form["backend"],
                        f"{form['same_label']:.1%}",
                        f"{form['expected_same_label']:.1%}",
                        f"{form['largest_change']:.1e}",
                        "exact" if form["snr_db"] is None else f"{form['snr_db']:.0f} dB",
                        f"{100 * form['uar_change']:+.1f} points",
                        f"{form['mcnemar_p']:.2f}",
                    )
                    for form in run["forms"]
                ],
            ),
        ]
    if not found["runs"]:
        parts.append("No run was named, so that no exported form was compared.")
    return "\n\n".join(parts)


def models(found: Found) -> str:
    """Latency, size and UAR of each form in each interpreter."""
    parts = []
    for bundle in found["bundles"]:
        features_ms = bundle["features"]["ms"]
        interval = ""
        if bundle["uar_low"] is not None:
            interval = f" ({bundle['uar_low']:.1%} to {bundle['uar_high']:.1%})"
        parts.append(
            f"`{bundle['name']}`: recipe `{bundle['recipe']}`, {bundle['parameters']:,} "
            f"parameters, {bundle['epochs']} epochs; protocol `{bundle['protocol']}`, "
            f"{', '.join(bundle['corpora'])}, {bundle['n_clips']} clips of "
            f"{bundle['n_speakers']} speakers; Keras {bundle['uar']:.1%}{interval} UAR. "
            f"Features of a window of {bundle['window_s']:g} s: {features_ms:.2f} ms."
        )
        rows = []
        for form in sorted(bundle["forms"], key=lambda form: float(form["ms"])):
            whole = form["ms"] + (0 if form["input_kind"] == "audio" else features_ms)
            rows.append(
                (
                    f"`{form['file']}`",
                    form["backend"],
                    f"{form['size_kib']:.0f}",
                    f"{form['ms']:.3f}",
                    f"{form['low_ms']:.3f} to {form['high_ms']:.3f}",
                    f"{whole:.2f}",
                    "" if form["uar"] is None else f"{form['uar']:.1%}",
                )
            )
        header = ["file", "interpreter", "KiB", "ms", "half of the rounds", "with features", "UAR"]
        parts.append(markdown_table(header, rows))
    parts.append(
        "`audio.*` take samples, and their time is that of the features too. UAR is on speakers who "
        "were not in training."
    )
    return "\n\n".join(parts)


def start(found: Found, sizes: Found | None) -> str:
    """Processor time, memory and wall time of whole processes."""
    parts = [readme_tables.start(found, sizes)] if sizes else []
    for threads, medians in found["medians"].items():
        notebook = medians.get("librosa + Keras")
        rows = [
            (
                name,
                f"{took['cpu_s']:.3f} s",
                f"{took['wall_s']:.3f} s",
                f"{took['peak_mib']:.0f} MiB",
                *(
                    f"{notebook[what] / took[what]:.1f}" if notebook else ""
                    for what in ("cpu_s", "peak_mib")
                ),
            )
            for name, took in medians.items()
        ]
        header = ["way", "CPU", "wall", "peak memory", "less CPU than Keras", "less memory"]
        parts += [f"With {threads}, medians of {found['repeats']}:", markdown_table(header, rows)]
    return "\n\n".join(parts)


def scale(found: Found) -> str:
    """Fits of how cost grows."""
    units = {"length_s": "second of the clip", "batch": "window", "clips": "clip"}
    rows = [
        (
            name,
            unit,
            f"{fit['intercept_ms']:.3g} ms",
            f"{fit['slope_ms']:.3g} ms",
            f"{fit['largest_misfit']:.0%}",
            f"{fit['exponent']:.2f}",
            f"{fit['size'][0]:g} to {fit['size'][-1]:g}",
        )
        for group, unit in units.items()
        for name, fit in found[group].items()
    ]
    threads = found["threads"]
    counts = [f"{count}" for count in threads["counts"]]
    of_threads = [
        (f"an inference, {name}", *(f"{ms:.3f} ms" for ms in each))
        for name, each in threads["inference_ms"].items()
    ]
    rates = threads["shared_predictions_per_s"]
    of_threads.append(
        ("predictions a second, one classifier shared", *(f"{rate:.0f}" for rate in rates))
    )
    header = ["what", "by the", "intercept", "slope", "largest misfit", "exponent", "range"]
    return "\n\n".join(
        [
            f"Bundle `{found['bundle']}`, {found['backend']} for whole predictions. Intercept and "
            "slope of a line with the least relative errors, and the exponent of a power:",
            markdown_table(header, rows),
            "By threads, on the wall's clock:",
            markdown_table(["what", *(f"threads: {count}" for count in counts)], of_threads),
        ]
    )


def main() -> None:
    """Write report, plots and README's tables."""
    folder = record.RESULTS
    report_plots.draw(folder)
    readme_tables.fill_documents(folder)
    partial = folder / ".REPORT.md.partial"
    partial.write_text(report(folder), encoding="utf-8")
    print(partial.replace(folder / "REPORT.md"))


if __name__ == "__main__":
    main()
