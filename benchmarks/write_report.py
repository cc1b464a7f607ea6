"""Write ``results/REPORT.md``, its plots and the tables of README and docs from the results files.

python benchmarks/write_report.py

measures nothing: `make bench` runs the scripts that write ``results/NAME.json``, and then this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from measuring import document_tables, report_plots, results
from measuring.accuracy_tables import table
from ser_edge_train.tables import markdown_table

Found = dict[str, Any]
INTRODUCTION = """# Benchmarks

Made by `python benchmarks/write_report.py` from the JSON files beside it; `make bench` measures
again. What is compared is timed in turns within one run, and figures are medians. Times are CPU
time with one thread unless stated otherwise. Ratios hold on other machines better than times do."""


def report(folder: Path = results.RESULTS) -> str:
    """Render all results that are there."""
    rows, texts = [], []
    for name, (title, command, text) in SECTIONS.items():
        found = results.read(name, folder)
        heading = f"## {title}\n\n`python {command}`"
        if found is None:
            texts.append(f"{heading}: not measured yet.")
            continue
        if name == "startup":
            found["sizes"] = results.read("installed_size", folder)
        about = found["about"]
        rows.append(
            (
                f"`{name}.json`",
                about["date"],
                f"{about['cpu']}, {about['cores']} cores",
                about["system"],
                *(about["versions"].get(v, "") for v in ("python", "numpy", "librosa")),
            )
        )
        image = f"\n\n![{title}]({name}.png)" if name in report_plots.PLOTS else ""
        texts.append(f"{heading}\n\n{text(found)}{image}")
    header = ["result", "measured", "processor", "system", "Python", "NumPy", "librosa"]
    return "\n\n".join([INTRODUCTION, markdown_table(header, rows), *texts]).rstrip() + "\n"


def feature_speed(found: Found) -> str:
    """All features, by stage, the first call, other libraries, throughput."""
    parts = [
        "ZCR, RMS and 20 MFCC of 2.5 s at 22 050 Hz, processes of each NumPy in turns:",
        document_tables.feature_speed(found),
    ]
    if found["numpy"]["missing"]:
        parts.append(f"The other generation of NumPy is missing: {found['numpy']['missing']}")
    ours, theirs = (found["stages_ms"][library] for library in ("ser-edge", "librosa"))
    stages = [{"stage": stage, "ours": ours[stage], "theirs": theirs[stage]} for stage in ours]
    stages.append({"stage": "sum", "ours": sum(ours.values()), "theirs": sum(theirs.values())})
    parts += [
        "By stage; librosa computes its mel filters in each call:",
        table(stages, "stage | ser-edge | librosa", "{stage} | {ours:.3f} ms | {theirs:.3f} ms"),
        "In a new process, without NumPy's import; compiled code is cached, and librosa imports "
        "its parts with the first call:",
        table(
            [
                {"library": name, "import_s": row["import_s"]}
                | {key: 1e3 * row[f"{key}_s"] for key in ("first", "tenth")}
                for name, row in found["cold"].items()
            ],
            "library | import | first call | tenth call",
            "{library} | {import_s:.3f} s | {first:.1f} ms | {tenth:.1f} ms",
        ),
        "MFCC alone, in one run. Each library is set as near to librosa's as its parameters allow, "
        f"and compared on {found['peers_compared_on']}; nothing is fitted:",
        markdown_table(
            "library,2.5 s,speed-up over librosa,median difference,99 %,largest,correlation,"
            "what it computes".split(","),
            [_peer(name, row) for name, row in found["peers"].items()],
        ),
        "The correlation is that of a coefficient with librosa's, the median of the 20. Below 1 "
        "the library computes other features, which a network trained on librosa's cannot use.",
    ]
    if found["peers_missing"]:
        parts.append(f"Not installed, left out: {', '.join(found['peers_missing'])}.")
    if found["throughput"]:
        columns = (
            "library | processes | clips per second | times real time",
            "{library} | {processes} | {clips_per_s:.0f} | {times_real_time:.0f}",
        )
        parts += [
            "Corpus files decoded, resampled and turned into features, in pools of processes "
            "[wall-clock time]:",
            table(found["throughput"], *columns),
        ]
    return "\n\n".join(parts)


def _peer(name: str, row: Found) -> tuple[str, ...]:
    cells = f"{name} {row['version']}", f"{row['ms']:.2f} ms", f"{row['librosa_over_it']:.2f} times"
    if "median_difference" not in row:
        return (*cells, "", "", "", "", "the reference")
    differences = (f"{row[f'{key}_difference']:.1e}" for key in ("median", "p99", "largest"))
    return (*cells, *differences, f"{row['correlation']:.4f}", row["computes"] or "librosa's MFCC")


def resampling(found: Found) -> str:
    """Times by sample rate."""
    times = found["minima_ms"]
    sample_rates = list(next(iter(times.values())))
    rows = [(rate, *(f"{each[rate]:.2f} ms" for each in times.values())) for rate in sample_rates]
    title = "2.5 s to 22 050 Hz; the fastest round, wall-clock time, by pytest-benchmark:"
    return f"{title}\n\n{markdown_table(['from [Hz]', *times], rows)}"


def parity(found: Found) -> str:
    """Distributions of the errors, and variants compared with Keras."""
    rows = [
        {
            "of": group if group == "same samples" else f"files, {group}",
            "corpus": corpus,
            "name": name,
            **errors,
        }
        for group, by_corpus in found["distributions"].items()
        for corpus, names in by_corpus.items()
        for name, errors in names.items()
    ]
    columns = (
        "of | corpus | descriptor | values | median | 99 % | 99.9 % | largest",
        "{of} | {corpus} | {name} | {n:,} | {median:.1e} | {p99:.1e} | {p999:.1e} | {largest:.1e}",
    )
    parts = [
        "Median and largest absolute differences of the published descriptors:",
        document_tables.feature_parity(found),
        "By descriptor and corpus, in the descriptor's unit (MFCC and log_mel in dB, centroid and "
        "rolloff in Hz, the others without):",
        table(rows, *columns),
    ]
    for run in found["runs"]:
        rows = [
            {
                **row,
                "snr": "exact" if row["snr_db"] is None else f"{row['snr_db']:.0f} dB",
                "points": 100 * row["uar_change"],
            }
            for row in run["variants"]
        ]
        columns = (
            "file | interpreter | same label | expected on other clips | largest change | SNR | "
            "UAR change | McNemar p",
            "`{file}` | {backend} | {same_label:.1%} | {expected_same_label:.1%} | "
            "{largest_change:.1e} | {snr} | {points:+.1f} points | {mcnemar_p:.2f}",
        )
        parts += [
            f"Variants of `{run['run']}` (recipe `{run['recipe']}`) compared with Keras, on "
            f"{run['n_clips']} test clips:",
            table(rows, *columns),
        ]
    if not found["runs"]:
        parts.append("No run was given, so no exported variant was compared.")
    return "\n\n".join(parts)


def model_variants(found: Found) -> str:
    """Latency, size and UAR of each variant in each interpreter."""
    parts = []
    for bundle in found["bundles"]:
        features_ms = bundle["features"]["ms"]
        interval = ""
        if bundle["uar_low"] is not None:
            interval = f" ({bundle['uar_low']:.1%} to {bundle['uar_high']:.1%})"
        rows = [
            {
                **row,
                "total_ms": row["ms"] + features_ms * (row["input_kind"] != "audio"),
                "reached": "" if row["uar"] is None else f"{row['uar']:.1%}",
            }
            for row in sorted(bundle["variants"], key=lambda row: float(row["ms"]))
        ]
        columns = (
            "file | interpreter | KiB | ms | quartiles | with features | UAR",
            "`{file}` | {backend} | {size_kib:.0f} | {ms:.3f} | {low_ms:.3f} to {high_ms:.3f} | "
            "{total_ms:.2f} | {reached}",
        )
        parts += [
            f"`{bundle['name']}`: recipe `{bundle['recipe']}`, {bundle['parameters']:,} "
            f"parameters, {bundle['epochs']} epochs; protocol `{bundle['protocol']}`, "
            f"{', '.join(bundle['corpora'])}, {bundle['n_clips']} clips of "
            f"{bundle['n_speakers']} speakers; Keras {bundle['uar']:.1%}{interval} UAR. "
            f"Features of a window of {bundle['window_s']:g} s: {features_ms:.2f} ms.",
            table(rows, *columns),
        ]
    parts.append(
        "`audio.*` have samples as input, so their time includes the features. UAR is of speakers "
        "not in training."
    )
    return "\n\n".join(parts)


def startup(found: Found) -> str:
    """CPU time, memory and wall-clock time of whole processes."""
    parts = [document_tables.startup(found, found["sizes"])] if found["sizes"] else []
    columns = (
        "process | CPU | wall | peak memory | less CPU than Keras | less memory",
        "{process} | {cpu_s:.3f} s | {wall_s:.3f} s | {peak_mib:.0f} MiB | {cpu:.1f} times "
        "| {memory:.1f} times",
    )
    for threads, medians in found["medians"].items():
        keras = medians["librosa + Keras"]
        rows = [
            {
                **cost,
                "process": name,
                "cpu": keras["cpu_s"] / cost["cpu_s"],
                "memory": keras["peak_mib"] / cost["peak_mib"],
            }
            for name, cost in medians.items()
        ]
        parts += [f"With {threads}, medians of {found['repeats']}:", table(rows, *columns)]
    return "\n\n".join(parts)


def scaling(found: Found) -> str:
    """Fits of how the cost grows."""
    units = {"length_s": "second of the clip", "batch": "window", "clips": "clip"}
    rows = [
        {**fit, "name": name, "unit": unit, "range": (fit["size"][0], fit["size"][-1])}
        for group, unit in units.items()
        for name, fit in found[group].items()
    ]
    columns = (
        "what | per | intercept | slope | largest misfit | exponent | range",
        "{name} | {unit} | {intercept_ms:.3g} ms | {slope_ms:.3g} ms | {largest_misfit:.0%} "
        "| {exponent:.2f} | {range[0]:g} to {range[1]:g}",
    )
    threads = found["threads"]
    predictions = (f"{rate:.0f}" for rate in threads["shared_predictions_per_s"])
    of_threads = [
        *(
            (f"an inference, {name}", *(f"{ms:.3f} ms" for ms in each))
            for name, each in threads["inference_ms"].items()
        ),
        ("predictions per second, one shared classifier", *predictions),
    ]
    return "\n\n".join(
        [
            f"Bundle `{found['bundle']}`, {found['backend']} for whole predictions. Intercept and "
            "slope are of a line with the least relative errors, the exponent of a power:",
            table(rows, *columns),
            "By threads, wall-clock time:",
            markdown_table(["what", *(f"threads: {n}" for n in threads["counts"])], of_threads),
        ]
    )


# By results file: title, command and text.
SECTIONS = {
    "feature_speed": (
        "How fast are the features, and other libraries' MFCC?",
        "benchmarks/feature_speed.py",
        feature_speed,
    ),
    "parity": (
        "How close are the features to librosa's, and exported variants to Keras's?",
        "benchmarks/parity.py RUN ...",
        parity,
    ),
    "resampling": (
        "How long does resampling take?",
        "-m pytest benchmarks/bench_resampling.py -p benchmark",
        resampling,
    ),
    "model_variants": (
        "What do model variants cost in each interpreter, and what UAR do they reach?",
        "benchmarks/model_variants.py BUNDLE ...",
        model_variants,
    ),
    "startup": (
        "What does a process cost from its start to its label?",
        "benchmarks/startup.py --run RUN --clip CLIP",
        startup,
    ),
    "stream_cost": (
        "What does a stream cost?",
        "benchmarks/stream_cost.py",
        document_tables.stream_cost,
    ),
    "scaling": ("How does the cost grow?", "benchmarks/scaling.py BUNDLE", scaling),
}


def main() -> None:
    """Write the report, the plots and the tables."""
    report_plots.draw()
    document_tables.fill_documents()
    path = results.RESULTS / "REPORT.md"
    path.write_text(report(), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
