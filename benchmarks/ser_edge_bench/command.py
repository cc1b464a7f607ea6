"""The command `ser-edge bench`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser_edge.bundle import Bundle
from ser_edge.checks import check_choice, check_number
from ser_edge.errors import BundleError, ConfigError, error_source
from ser_edge.files import check_writable, written_whole
from ser_edge.streaming.timeline_plot import check_picture
from ser_edge.terminal import printable
from ser_edge_bench.baseline import Baseline, Comparison, compare
from ser_edge_bench.bench_report import render, report
from ser_edge_bench.budget import Budget, Verdict, judge
from ser_edge_bench.clip import BenchClip, clip_from_file, golden_clip
from ser_edge_bench.measurement import measure, setting_of
from ser_edge_bench.plan import MIN_PROCESSES, QUICK, Plan
from ser_edge_bench.result import BenchResult
from ser_edge_bench.variant import bench_variants

_MAX_SLOWDOWN = 1.15  # five times the 3 % by which processes of the same code differ


def bench_command(arguments: argparse.Namespace, folder: str | os.PathLike[str]) -> int:
    """Run `ser-edge bench` with the options of `ser_edge.cli.bench`.

    Everything is checked before minutes of measuring. The status is 1 if a budget is missed or a
    call is slower than in the baseline, and 0 otherwise.
    """
    plan = _plan(arguments)
    budgets = [Budget.parse(text) for text in arguments.budget]
    _check_options(arguments, plan)
    bundle = Bundle.open(folder)
    _check_variants(arguments.variant, budgets, bundle)
    clip = clip_from_file(bundle, arguments.clip) if arguments.clip else _golden_clip(bundle)
    baseline = Baseline.load(arguments.baseline) if arguments.baseline else None
    if baseline:
        baseline.check(setting_of(bundle, clip, plan))
    comparison = None
    try:
        result = measure(bundle, clip, plan, names=arguments.variant, progress=_progress)
        if baseline:
            _progress("comparing with the baseline")
            comparison = compare(result, baseline, arguments.max_slowdown or _MAX_SLOWDOWN)
    finally:
        _progress("")
    verdicts = judge(budgets, result)
    _write(arguments, result, verdicts, comparison)
    complaints = [str(verdict) for verdict in verdicts if not verdict.ok]
    complaints += comparison.complaints() if comparison else ()
    for complaint in complaints:
        print(f"ser-edge: {printable(complaint)}", file=sys.stderr)
    return 1 if complaints else 0


def _plan(arguments: argparse.Namespace) -> Plan:
    names = ("threads", "processes", "warmup_runs", "warmup_s", "runs", "seconds")
    given: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    return Plan(**{**(QUICK if arguments.quick else {}), **given})


def _check_options(arguments: argparse.Namespace, plan: Plan) -> None:
    slowdown = arguments.max_slowdown
    if arguments.json == arguments.markdown == "-":
        raise ConfigError("--json and --markdown both print", "give one of them a FILE")
    if slowdown is not None and not arguments.baseline:
        raise ConfigError(f"--max-slowdown {slowdown:g} has no effect", "give a --baseline too")
    if slowdown is not None:
        check_number("--max-slowdown", slowdown, 1, 100)
    if arguments.baseline and plan.processes < MIN_PROCESSES:
        raise ConfigError(
            f"--baseline with {plan.processes} processes, expected {MIN_PROCESSES} or more",
            f"leave out --quick, or give --processes {MIN_PROCESSES}",
        )
    for name in ("json", "markdown", "plot"):
        path = getattr(arguments, name)
        if path not in (None, "-"):
            check_writable(Path(path), f"--{name}", overwrite=arguments.overwrite)
    if arguments.plot:
        check_picture(arguments.plot)


def _check_variants(names: list[str], budgets: list[Budget], bundle: Bundle) -> None:
    known = [variant.name for variant in bench_variants(bundle)]
    with error_source(bundle.folder):
        for name in (*names, *(budget.variant for budget in budgets if budget.variant)):
            check_choice("variant", name, known)


def _golden_clip(bundle: Bundle) -> BenchClip:
    try:
        return golden_clip(bundle)
    except BundleError as error:
        remedy = "export the bundle again, or give a recording with --clip FILE"
        raise BundleError(error.problem, remedy, error.source) from None


def _progress(text: str) -> None:
    """Show a text in place of the last one, where stderr is a terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _write(
    arguments: argparse.Namespace,
    result: BenchResult,
    verdicts: Sequence[Verdict],
    comparison: Comparison | None,
) -> None:
    content = {
        **result.to_dict(),
        "budgets": [verdict.to_dict() for verdict in verdicts],
        "baseline": comparison.to_dict() if comparison else None,
    }
    sections = report(result, verdicts, comparison)
    texts = {
        "json": json.dumps(content, allow_nan=False) + "\n",
        "markdown": render(sections, markdown=True),
    }
    printed = render(sections)
    for name, text in texts.items():
        path = getattr(arguments, name)
        if path == "-":
            printed = text
        elif path:
            with written_whole(Path(path)) as partial:
                partial.write_text(text, encoding="utf-8")
    if arguments.plot:
        from ser_edge_bench.plot import plot_result

        plot_result(arguments.plot, result)
    print(printed, end="")
