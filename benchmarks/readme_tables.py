"""What README shows of the benchmarks' results; report.py puts it there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import record
import stream_tables
from filled import fill
from ser_edge_train.tables import markdown_table

# What bench_start.py calls a way, what README calls it, and what installed_size.py calls its needs.
WAYS = (
    ("ser-edge, litert", "ser-edge, LiteRT int8", "NumPy + ser-edge + LiteRT"),
    ("ser-edge, onnx", "ser-edge, ONNX Runtime int8", "NumPy + ser-edge + ONNX Runtime"),
    ("ser-edge, tflite", "ser-edge, tflite-runtime float32", "NumPy + ser-edge + tflite-runtime"),
    ("ser-edge, numeric", "ser-edge, NumPy alone", "NumPy + ser-edge"),
    ("librosa + ONNX Runtime", "librosa + ONNX Runtime int8", ""),
    ("librosa + Keras", "librosa + Keras", "librosa + Keras + TensorFlow"),
)
PUBLISHED = {"zcr": "ZCR", "rms": "RMS", "mfcc": "MFCC"}


def machine(found: dict[str, Any]) -> str:
    """Say where and with what something was measured."""
    about = found["about"]
    return (
        f"{about['cpu']}, {about['cores']} cores, {about['system']}; "
        f"Python {about['versions']['python']}, {about['date']}"
    )


def speed(features: dict[str, Any]) -> str:
    """Lay out how fast the features are in each generation of NumPy."""
    rows = [
        (
            one["numpy"],
            f"{one['times']['ser-edge']['ms']:.2f} ms",
            f"{one['times']['librosa']['ms']:.2f} ms",
            f"{one['librosa_over_ours']:.1f} times",
            f"{one['ours_over_fft']:.2f} times",
            f"{one['ours_over_batch']:.2f} times",
        )
        for one in features["numpy"]["generations"]
    ]
    header = [
        "NumPy",
        "ser-edge",
        "librosa",
        "as fast as librosa",
        "the bare transforms' time",
        "as fast in a batch",
    ]
    return markdown_table(header, rows)


def parity(found: dict[str, Any]) -> str:
    """Lay out how close the published descriptors are to librosa's."""
    distributions, n = found["distributions"], sum(found["clips"].values())
    places = (
        (f"the same samples: {n} real clips", "same samples", "all corpora"),
        ("the same samples: random signals", "same samples", "random signals"),
        ("the corpora's own files, frames 50 ms and more inside", "inside", "all corpora"),
        ("the same, at the clip's edges", "edges", "all corpora"),
    )
    rows = []
    for place, group, corpus in places:
        of_names = distributions.get(group, {}).get(corpus)
        if of_names:
            cells = [of_names[name] for name in PUBLISHED]
            rows.append((place, *(f"{c['median']:.0e}, {c['largest']:.1e}" for c in cells)))
    return markdown_table(["on", *(PUBLISHED.values())], rows)


def start(found: dict[str, Any], sizes: dict[str, Any]) -> str:
    """Lay out what a process takes from its start to its answer, and what is installed for it."""
    medians = found["medians"]["one thread"]
    first = next(name for name, *_ in WAYS if name in medians)
    rows = []
    for name, called, packages in WAYS:
        if name not in medians:
            continue
        took = medians[name]
        cells = [f"{took['cpu_s']:.2f} s", f"{took['peak_mib']:.0f} MiB"]
        if not name.startswith("ser-edge"):
            for i, what in enumerate(("cpu_s", "peak_mib")):
                cells[i] += f" ({took[what] / medians[first][what]:.0f} times the first row's)"
        size = sizes["sizes"].get(packages)
        rows.append((called, *cells, f"{size['mb']:.0f} MB" if size else ""))
    own = sizes["sizes"]["ser-edge alone"]["mb"]
    table = markdown_table(["", "CPU time", "peak memory", "installed"], rows)
    return f"{table}\n\nOf what is installed, ser-edge itself is {own:.0f} MB."


def fill_documents(results: Path = record.RESULTS, root: Path = record.ROOT) -> None:
    """Put into README and docs what results there are; what has none stays as it is."""
    tables: dict[str, tuple[tuple[str, ...], Callable[..., str]]] = {
        "features:speed": (("features",), speed),
        "features:parity": (("parity",), parity),
        "start:costs": (("start", "size"), start),
    }
    for mark, (names, table) in tables.items():
        found = [record.read(name, results) for name in names]
        if all(one is not None for one in found):
            fill(root / "README.md", mark, table(*found))
    costs = record.read("stream_costs", results)
    if costs is not None:
        document = root / stream_tables.DOCUMENT.relative_to(record.ROOT)
        fill(document, stream_tables.MARK, stream_tables.costs(costs))
