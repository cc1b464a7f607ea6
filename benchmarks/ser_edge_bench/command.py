"""What the words of `ser-edge bench` mean."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ser_edge.bundle import Bundle
from ser_edge.errors import BundleError
from ser_edge.files import check_writable, written_whole
from ser_edge.streaming.timeline_plot import check_picture
from ser_edge_bench.baseline import Baseline, Comparison, compare
from ser_edge_bench.bench_clip import golden_clip, own_clip
from ser_edge_bench.budget import Budget, Verdict, judged
from ser_edge_bench.measurement import measure, setting_of
from ser_edge_bench.plan import LEAST_PROCESSES, QUICK, Plan
from ser_edge_bench.progress import Progress
from ser_edge_bench.result import Result
from ser_edge_bench.table import as_markdown, as_text
from ser_edge_bench.variant import variants

_MAX_SLOWDOWN = 1.15


def bench_command(arguments: argparse.Namespace, folder: str | os.PathLike[str]) -> int:
    """Run `ser-edge bench` with the options that `ser_edge.cli.bench` describes.

    Parameters
    ----------
    arguments : argparse.Namespace
        The options. ``usage_error`` ends the process with 2.
    folder : path
        The bundle.

    Returns
    -------
    status : int
        0; 1 where a budget or the baseline is not kept.

    Raises
    ------
    SerEdgeError
        If bundle, recording or baseline cannot be used, or nothing can be measured.
    """
    plan = _plan(arguments)
    budgets: tuple[Budget, ...] = (*arguments.budget, *arguments.budgets)
    _check_usage(arguments, plan)
    bundle = Bundle.open(folder)
    _check_names(arguments, bundle, budgets)
    _check_places(arguments)
    clip = own_clip(bundle, arguments.clip) if arguments.clip else _golden_clip(bundle)
    baseline = Baseline.load(arguments.baseline) if arguments.baseline else None
    if baseline:
        baseline.check(setting_of(bundle, clip, plan))
    with Progress() as progress:
        result = measure(bundle, clip, plan, names=arguments.variant, progress=progress)
        comparison = None
        if baseline:
            progress("comparing")
            comparison = compare(result, baseline, arguments.max_slowdown or _MAX_SLOWDOWN)
    verdicts = judged(budgets, {v.name: v.metrics for v in result.variants}, result.default)
    _tell(arguments, result, verdicts, comparison)
    complaints = [str(verdict) for verdict in verdicts if not verdict.ok]
    complaints += comparison.complaints() if comparison else ()
    for complaint in complaints:
        print(f"ser-edge: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


def _plan(arguments: argparse.Namespace) -> Plan:
    names = ("threads", "processes", "warmup_runs", "warmup_s", "runs", "seconds")
    given: dict[str, Any] = {name: getattr(arguments, name) for name in names}
    chosen = {name: value for name, value in given.items() if value is not None}
    return Plan(**{**(QUICK if arguments.quick else {}), **chosen})


def _check_usage(arguments: argparse.Namespace, plan: Plan) -> None:
    if arguments.json == arguments.markdown == "-":
        arguments.usage_error("--json and --markdown: only one can be printed, name a FILE")
    if arguments.max_slowdown and not arguments.baseline:
        arguments.usage_error("--max-slowdown goes with --baseline")
    if arguments.baseline and plan.processes < LEAST_PROCESSES:
        arguments.usage_error(
            f"--baseline needs at least --processes {LEAST_PROCESSES}, to tell noise from slowness"
        )


def _check_names(arguments: argparse.Namespace, bundle: Bundle, budgets: Sequence[Budget]) -> None:
    known = [variant.name for variant in variants(bundle)]
    for option, name in (
        *(("--variant", name) for name in arguments.variant),
        *((f"--budget {budget}", budget.variant) for budget in budgets if budget.variant),
    ):
        if name not in known:
            arguments.usage_error(
                f"{option}: there is no variant {name!r} in {bundle.folder}; there are "
                f"{', '.join(known)}"
            )


def _check_places(arguments: argparse.Namespace) -> None:
    """See that what is to be written can be, ahead of minutes of measuring."""
    for name in ("json", "markdown", "plot"):
        place = getattr(arguments, name)
        if place not in (None, "-"):
            check_writable(Path(place), f"--{name}", overwrite=arguments.overwrite)
    if arguments.plot:
        check_picture(arguments.plot)


def _golden_clip(bundle: Bundle) -> Any:
    try:
        return golden_clip(bundle)
    except BundleError as error:
        raise BundleError(f"{error}; or give a recording, --clip FILE") from None


def _tell(
    arguments: argparse.Namespace,
    result: Result,
    verdicts: Sequence[Verdict],
    comparison: Comparison | None,
) -> None:
    content = {
        **result.to_dict(),
        "budgets": [verdict.to_dict() for verdict in verdicts],
        "baseline": comparison.to_dict() if comparison else None,
    }
    texts = {
        "json": json.dumps(content, allow_nan=False) + "\n",
        "markdown": as_markdown(result, verdicts, comparison),
    }
    printed = as_text(result, verdicts, comparison) + "\n"
    for name, text in texts.items():
        place = getattr(arguments, name)
        if place == "-":
            printed = text
        elif place:
            with written_whole(Path(place)) as partial:
                partial.write_text(text, encoding="utf-8")
    if arguments.plot:
        from ser_edge_bench.plot import plot_result

        plot_result(arguments.plot, result)
    print(printed, end="")
