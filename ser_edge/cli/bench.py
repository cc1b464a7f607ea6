"""The options of `ser-edge bench`; nothing heavy is imported here."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ser_edge.cli.loading import bundle_folder, limit_blas
from ser_edge.cli.options import BUNDLE_HELP
from ser_edge.cli.stderr import print_error
from ser_edge.cli.types import natural, number, positive
from ser_edge.errors import ConfigError, SerEdgeError

if TYPE_CHECKING:
    from ser_edge_bench.budget import Budget


def add_options(bench: argparse.ArgumentParser) -> None:
    """Add the options."""
    bench.set_defaults(usage_error=bench.error)
    bench.add_argument("bundle", nargs="?", metavar="BUNDLE", help=BUNDLE_HELP)
    bench.add_argument("--clip", metavar="FILE", help="a recording; default one in the bundle")
    bench.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help="measure only this, such as int8.litert; may be repeated; default all there are",
    )

    method = bench.add_argument_group("method", "Whichever is more, of runs and seconds.")
    method.add_argument("--threads", type=positive, metavar="N", help="of an inference; default 1")
    method.add_argument(
        "--processes", type=positive, metavar="N", help="fresh processes; default 3"
    )
    method.add_argument("--runs", type=positive, metavar="N", help="in each process; default 200")
    method.add_argument(
        "--seconds",
        type=partial(number, low=0, high=3600, what="seconds"),
        metavar="S",
        help="of each file in each process; default 2",
    )
    method.add_argument("--warmup-runs", type=natural, metavar="N", help="ahead; default 10")
    method.add_argument(
        "--warmup-s",
        type=partial(number, low=0, high=3600, what="seconds"),
        metavar="S",
        help="ahead; default 0.5",
    )
    method.add_argument(
        "--quick", action="store_true", help="1 process, 20 runs: for a look, not for figures"
    )

    out = bench.add_argument_group("output", "A table, unless JSON or Markdown is printed.")
    for name in ("json", "markdown"):
        out.add_argument(
            f"--{name}", nargs="?", const="-", metavar="FILE", help="write FILE, or print it"
        )
    out.add_argument("--plot", type=Path, metavar="FILE", help="draw it, as PNG, SVG or PDF")
    out.add_argument("--overwrite", action="store_true", help="replace files that exist")

    gate = bench.add_argument_group("gate", "Exit 1 where these are not kept.")
    gate.add_argument(
        "--budget",
        action="append",
        default=[],
        type=_budget,
        metavar="EXPR",
        help="[VARIANT:]METRIC<=NUMBER, or >=; such as 'end_to_end.p95_ms<=50'; may be repeated",
    )
    gate.add_argument(
        "--budgets",
        default=(),
        type=_budgets,
        metavar="FILE",
        help="TOML (Python 3.11 and newer) or JSON with a list of them, budgets = [...]",
    )
    gate.add_argument(
        "--baseline", type=Path, metavar="FILE", help="what --json wrote, to compare with"
    )
    gate.add_argument(
        "--max-slowdown",
        type=partial(number, low=1, high=100, what="a ratio"),
        metavar="RATIO",
        help="how many times as long as in the baseline anything may take; default 1.15",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, and print the result; 1 if a budget is not kept."""
    limit_blas(1)
    try:
        from ser_edge_bench.command import bench_command

        return bench_command(arguments, bundle_folder(arguments.bundle))
    except KeyboardInterrupt:
        print_error(SerEdgeError("interrupted", "nothing was written"))
        return 130


def _budget(text: str) -> Budget:
    from ser_edge_bench.budget import Budget

    try:
        return Budget.parse(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _budgets(text: str) -> tuple[Budget, ...]:
    from ser_edge_bench.budget import read_budgets

    try:
        return read_budgets(Path(text))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
