"""The tables of README and docs, made from ``results/*.json``.

They stand between ``<!-- NAME -->`` and ``<!-- end -->``; each page chooses the names it shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import accuracy_tables, results
from measuring.accuracy_tables import table
from ser_edge_train.tables import markdown_table

Found = dict[str, Any]
# The name in startup.json, the name in the table, and the name in installed_size.json.
PROCESSES = (
    ("ser-edge, litert", "ser-edge, LiteRT int8", "NumPy + ser-edge + LiteRT"),
    ("ser-edge, onnx", "ser-edge, ONNX Runtime int8", "NumPy + ser-edge + ONNX Runtime"),
    ("ser-edge, tflite", "ser-edge, tflite-runtime float32", "NumPy + ser-edge + tflite-runtime"),
    ("ser-edge, numeric", "ser-edge, NumPy alone", "NumPy + ser-edge"),
    ("librosa + ONNX Runtime", "librosa + ONNX Runtime int8", ""),
    ("librosa + Keras", "librosa + Keras", "librosa + Keras + TensorFlow"),
)
BACKEND_ROWS = {
    "requests per second": "requests_per_s",
    "median latency [ms]": "p50_ms",
    "95th percentile of the latency [ms]": "p95_ms",
    "CPU time per request [ms]": "cpu_ms_per_request",
    "peak memory [MiB]": "peak_rss_mib",
    "ready after [s]": "start_s",
}
PUBLISHED = ("zcr", "rms", "mfcc")


def feature_speed(found: Found) -> str:
    """Show the time of the features with each generation of NumPy."""
    return table(
        found["numpy"]["generations"],
        "NumPy | ser-edge | librosa | speed-up over librosa | time over the FFTs alone | "
        "speed-up in a batch",
        "{numpy} | {times[ser-edge][ms]:.2f} ms | {times[librosa][ms]:.2f} ms | "
        "{librosa_over_ours:.1f} times | {ours_over_fft:.2f} times | "
        "{ours_over_batch:.2f} times",
    )


def feature_parity(found: Found) -> str:
    """Show how close the published descriptors are to librosa's."""
    n_clips = sum(found["clips"].values())
    places = (
        (f"same samples: {n_clips} real clips", "same samples", "all corpora"),
        ("same samples: random signals", "same samples", "random signals"),
        ("corpus files, frames 50 ms or more inside", "inside", "all corpora"),
        ("corpus files, frames at the edges", "edges", "all corpora"),
    )
    rows = [
        {"on": title, **found["distributions"][group][corpus]}
        for title, group, corpus in places
        if corpus in found["distributions"].get(group, {})
    ]
    errors = (f"{{{name}[median]:.0e}}, {{{name}[largest]:.1e}}" for name in PUBLISHED)
    return table(rows, "on | ZCR | RMS | MFCC", " | ".join(["{on}", *errors]))


def startup(found: Found, sizes: Found) -> str:
    """Show what a process costs from its start to its label, and what is installed for it."""
    medians = found["medians"]["one thread"]
    first = next(medians[name] for name, *_ in PROCESSES if name in medians)
    rows = []
    for name, title, packages in PROCESSES:
        if name in medians:
            cost = medians[name]
            cells = [f"{cost['cpu_s']:.2f} s", f"{cost['peak_mib']:.0f} MiB"]
            if not name.startswith("ser-edge"):
                for i, key in enumerate(("cpu_s", "peak_mib")):
                    cells[i] += f" ({cost[key] / first[key]:.0f} times the first row)"
            size = sizes["sizes"].get(packages)
            rows.append((title, *cells, f"{size['mb']:.0f} MB" if size else ""))
    own = sizes["sizes"]["ser-edge alone"]["mb"]
    costs = markdown_table(["", "CPU time", "peak memory", "installed"], rows)
    return f"{costs}\n\nser-edge itself is {own:.0f} MB of what is installed."


def stream_cost(found: Found) -> str:
    """Show what a hop costs, and what hours of sound do."""
    columns = (
        "hop | time per hop | its features / a window's | hop / a whole window | real-time factor",
        "{hop_s} s | {ms:.2f} ms | {features_share:.1%} | {share:.1%} | {real_time_factor:.5f}",
    )
    hours = found["hours"]
    memory = [f"{mib:.1f} MiB" for mib in (hours["opened_mib"], *hours["resident_mib"])]
    return (
        f"A whole window: features {found['window_features_ms']:.2f} ms, "
        f"network {found['window_network_ms']:.3f} ms.\n\n"
        f"{table(found['hops'], *columns)}\n\n"
        f"{hours['hours']:g} hours at {hours['sample_rate']} Hz in chunks of 50 ms: real-time "
        f"factor {hours['real_time_factor']:.5f}; memory {memory[0]} with the bundle open, "
        f"{memory[1]} after a tenth, {memory[-1]} at the end; the last segment ends "
        f"{hours['last_segment_ends_before_s']:.3f} s before the sound (a hop is "
        f"{hours['hop_s']:.3f} s)."
    )


def stream_defaults(found: Found) -> str:
    """Show what each setting of a stream changes."""
    default = found["test"]
    rows = []
    for row in found["validation"]:
        changed = [name for name in found["settings"] if row[name] != default[name]]
        title = f"`{changed[0]}={row[changed[0]]:g}`" if changed else "**defaults**"
        rows.append({"setting": title, **row})
    rows.sort(key=lambda row: str(row["setting"]))
    return table(
        [*rows, {"setting": "defaults, test speakers", **default}],
        "setting | F1 | blocks found | segments right | delay | changes per minute",
        "{setting} | {f1:.1%} | {recall:.0%} | {precision:.0%} | {delay_s:.1f} s | "
        "{changes_per_minute:.1f}",
    )


def arm_differences(found: Found) -> str:
    """Show how far an emulated device's results are from this machine's."""
    rows = [
        {
            **row,
            "device": device["device"],
            "steps": f"{row['steps']:.2g}" if row["steps"] is not None else "",
        }
        for device in found["devices"]
        for row in device["differences"]
    ]
    return table(
        rows,
        "device | bundle | variant | clips | largest difference | steps | other labels",
        "{device} | {bundle} | {variant} | {n_clips} | {largest:.1e} | {steps} | {others}",
    )


def arm_costs(found: Found) -> str:
    """Show what a prediction costs on an emulated device."""
    rows = [
        {
            **cost,
            "device": device["device"],
            "millions": cost["instructions"] / 1e6,
            "start_billions": cost["start_instructions"] / 1e9,
        }
        for device in found["devices"]
        for cost in device["costs"]
    ]
    return table(
        rows,
        "device | interpreter | a prediction | until the first | peak memory | disk | files",
        "{device} | {backend} | {millions:.0f} M | {start_billions:.2f} G | "
        "{peak_mib:.0f} MiB | {disk_mb:.0f} MB | {n_files}",
    )


def backend_service(found: Found) -> str:
    """Show what the endpoint costs with ser-edge, and with librosa and Keras."""
    ours, theirs = found["servers"].values()
    rows = [
        (title, f"{ours[key]:.3g}", f"{theirs[key]:.3g}", f"{_ratio(ours[key], theirs[key]):.1f}")
        for title, key in BACKEND_ROWS.items()
    ]
    costs = markdown_table(["", *found["servers"], "ratio"], rows)
    return f"{costs}\n\nThe labels are the same on {found['same_label']}."


def _ratio(a: float, b: float) -> float:
    return max(a, b) / min(a, b)


# Each table, and the results that it is made of.
TABLES: dict[str, tuple[Callable[..., str], tuple[str, ...]]] = {
    "features:speed": (feature_speed, ("feature_speed",)),
    "features:parity": (feature_parity, ("parity",)),
    "start:costs": (startup, ("startup", "installed_size")),
    "stream:costs": (stream_cost, ("stream_cost",)),
    "stream:decisions": (stream_defaults, ("stream_defaults",)),
    "backend:costs": (backend_service, ("backend_service",)),
    "arm:differences": (arm_differences, ("arm",)),
    "arm:costs": (arm_costs, ("arm",)),
    "accuracy:goals": (accuracy_tables.exported_studies, ("accuracy",)),
    "accuracy:protocols": (accuracy_tables.protocols, ("accuracy",)),
    "accuracy:adaptation": (accuracy_tables.adaptation, ("accuracy",)),
    "accuracy:learning": (accuracy_tables.learning, ("accuracy",)),
}
MARKED = re.compile(r"(<!-- (\w+:\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill_documents(folder: Path = results.RESULTS, root: Path = results.ROOT) -> None:
    """Fill the marked tables of README and docs; a table without results stays as it is.

    Raises
    ------
    ValueError
        If a page marks a table that does not exist.
    """

    def filled(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise ValueError(f"{page}: {match[2]!r} is no table, expected one of {list(TABLES)}")
        render, names = TABLES[match[2]]
        found = [results.read(name, folder) for name in names]
        return match[0] if None in found else f"{match[1]}{render(*found)}\n{match[3]}"

    for page in (root / "README.md", *sorted((root / "docs").rglob("*.md"))):
        text = page.read_text(encoding="utf-8")
        page.write_text(MARKED.sub(filled, text), encoding="utf-8")
