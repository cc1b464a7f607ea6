"""The options of `ser-edge bench`; nothing heavy is imported here."""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_edge.cli.loading import bundle_folder, limit_blas
from ser_edge.cli.options import add_bundle
from ser_edge.cli.stderr import print_error
from ser_edge.cli.types import natural, positive, threads
from ser_edge.errors import SerEdgeError


def add_options(bench: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_bundle(bench)
    bench.add_argument("--clip", metavar="FILE", help="a recording; default a clip of the bundle")
    bench.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help="measure only this model file in this interpreter, such as int8.litert; may be "
        "repeated; default all",
    )

    method = bench.add_argument_group(
        "method", "Each variant runs until both the number of runs and the seconds are reached."
    )
    method.add_argument("--threads", type=threads, metavar="N", help="of an inference; default 1")
    method.add_argument(
        "--processes", type=positive, metavar="N", help="fresh processes; default 3"
    )
    method.add_argument("--runs", type=positive, metavar="N", help="of a process; default 200")
    method.add_argument(
        "--seconds", type=float, metavar="S", help="of a variant in a process; default 2"
    )
    method.add_argument(
        "--warmup-runs", type=natural, metavar="N", help="discarded before these; default 10"
    )
    method.add_argument(
        "--warmup-s", type=float, metavar="S", help="discarded before these; default 0.5"
    )
    method.add_argument(
        "--quick", action="store_true", help="1 process, 20 runs: for a look, not for comparisons"
    )

    out = bench.add_argument_group("output", "A table, or JSON or Markdown in its place.")
    for name in ("json", "markdown"):
        out.add_argument(
            f"--{name}", nargs="?", const="-", metavar="FILE", help="write FILE, or print"
        )
    out.add_argument("--plot", type=Path, metavar="FILE", help="draw stages, spread and size")
    out.add_argument("--overwrite", action="store_true", help="replace existing files")

    limits = bench.add_argument_group("limits", "Exit with 1 if one is exceeded.")
    limits.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="EXPR",
        help="[VARIANT:]METRIC<=NUMBER or >=, such as 'end_to_end.p95_ms<=50'; may be repeated",
    )
    limits.add_argument(
        "--baseline", type=Path, metavar="FILE", help="compare with FILE, written by --json"
    )
    limits.add_argument(
        "--max-slowdown",
        type=float,
        metavar="RATIO",
        help="allowed time as a multiple of the baseline's; default 1.15",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, and print the result; 1 if a limit is exceeded."""
    limit_blas(1)
    try:
        from ser_edge_bench.command import bench_command

        return bench_command(arguments, bundle_folder(arguments.bundle))
    except KeyboardInterrupt:
        print_error(SerEdgeError("interrupted", "nothing was written"))
        return 130
