"""A result as tables, in plain text of at most 100 columns or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ser_edge_bench.baseline import Comparison
from ser_edge_bench.budget import Verdict
from ser_edge_bench.conditions import Conditions
from ser_edge_bench.metrics import PERCENTILES, SHARED_STAGES
from ser_edge_bench.result import Result, VariantResult

_WIDTH = 100
_NONE = "-"


@dataclass(frozen=True)
class Table:
    """A heading, column names and rows; the first column is text, the others are numbers."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def as_text(
    result: Result, verdicts: Sequence[Verdict] = (), comparison: Comparison | None = None
) -> str:
    """Lay it out for a terminal.

    Parameters
    ----------
    result : Result
        What was measured.
    verdicts : sequence of Verdict
        How budgets were kept.
    comparison : Comparison, optional
        With an earlier run.

    Returns
    -------
    text : str
    """
    lines = [line for fact in _facts(result) for line in _wrapped(*fact)]
    tables = list(_tables(result))
    widest = max(len(row[0]) for table in tables for row in table.rows)
    for table in tables:
        lines += ["", *_aligned(table, widest)]
    lines += ["", *(line for remark in _remarks(result) for line in _wrapped("", remark))]
    if verdicts:
        lines += ["", *(f"{'ok' if v.ok else 'over':<6} {v}" for v in verdicts)]
    if comparison:
        lines += ["", *_aligned(_compared(comparison)), *_comparison_remarks(comparison)]
    return "\n".join(lines)


def as_markdown(
    result: Result, verdicts: Sequence[Verdict] = (), comparison: Comparison | None = None
) -> str:
    """Lay it out for a page.

    Parameters
    ----------
    result : Result
        What was measured.
    verdicts : sequence of Verdict
        How budgets were kept.
    comparison : Comparison, optional
        With an earlier run.

    Returns
    -------
    text : str
    """
    parts = [f"## ser-edge bench: {result.setting.bundle['name']}"]
    facts = [(name, value) for name, value in _facts(result) if name != "bundle"]
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts))
    for table in _tables(result):
        parts.append(f"### {table.title[0].upper()}{table.title[1:]}\n\n{_piped(table)}")
    parts.append("\n".join(f"- {remark}".replace(" * ", " \\* ") for remark in _remarks(result)))
    if verdicts:
        lines = (f"- {'ok' if verdict.ok else '**over**'}: {verdict}" for verdict in verdicts)
        parts.append("### Budgets\n\n" + "\n".join(lines))
    if comparison:
        parts.append(f"### Against {comparison.path}\n\n{_piped(_compared(comparison))}")
        parts.append("\n".join(f"- {remark}" for remark in _comparison_remarks(comparison)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    setting, machine = result.setting, result.setting.machine
    plan, clip = setting.plan, setting.clip
    yield "bundle", f"{setting.bundle['name']}, digest {setting.bundle['digest'][:12]}"
    yield "date", result.date.replace("T", " ").replace("+00:00", " UTC")
    cores = "1 core" if machine.cores == 1 else f"{machine.cores} cores"
    yield "machine", f"{machine.cpu}, {cores}, {machine.system} on {machine.machine}"
    said = ", ".join(f"{name} {version}" for name, version in setting.versions.items())
    yield "versions", f"{machine.python}, {said}"
    yield "state", _state(result.before, result.after)
    windows = "1 window" if clip["windows"] == 1 else f"{clip['windows']} windows"
    yield "recording", f"{clip['name']}, {clip['seconds']:.2f} s at {clip['rate']} Hz, {windows}"
    kept = f"on CPU {', '.join(map(str, result.cpus))}" if result.cpus else "on any CPU"
    threads = "1 thread" if plan.threads == 1 else f"{plan.threads} threads"
    processes = "1 process" if plan.processes == 1 else f"{plan.processes} processes"
    rounds = sorted({len(times) for times in result.times_ms["kernel"]})
    counted = f"{rounds[0]}" if len(rounds) == 1 else f"{rounds[0]} to {rounds[-1]}"
    yield "method", f"{processes} of {counted} rounds, {threads}, {kept}"
    yield "kernel", f"{result.kernel_ms:.3f} ms"


def _state(before: Conditions, after: Conditions) -> str:
    said = []
    if before.governor:
        said.append(f"governor {before.governor}")
    for name, unit, digits in (("mhz", "MHz", 0), ("temperature_c", "°C", 1), ("load", "load", 1)):
        values = [getattr(state, name) for state in (before, after)]
        if None not in values:
            text = [f"{value:.{digits}f}" for value in values]
            said.append(f"{text[0]} to {text[1]} {unit}" if unit != "load" else f"load {text[1]}")
    if after.throttled is not None:
        said.append(", ".join(after.throttled) or "not throttled")
    return ", ".join(said) or "the system does not tell"


def _tables(result: Result) -> Iterator[Table]:
    first = next((v for v in result.variants if v.input_kind != "audio"), result.variants[0])
    spread = (*(f"p{q}" for q in PERCENTILES), "p50 in kernels")
    shared = [s for s in SHARED_STAGES if first.metrics[f"{s}.p50_ms"] is not None]
    yield Table(
        "before the network, ms",
        ("", *spread),
        tuple((stage, *_spread(first, stage)) for stage in shared),
    )
    for stage, title in (("network", "network, ms"), ("end_to_end", "end to end, ms")):
        more = ("a second", "real-time factor") if stage == "end_to_end" else ()
        rows = []
        for variant in result.variants:
            row = [_starred(result, variant), *_spread(variant, stage)]
            if more:
                row.append(_number(variant.metrics["throughput_per_s"], 1))
                row.append(_significant(variant.metrics["real_time_factor"]))
            rows.append(tuple(row))
        yield Table(title, ("", *spread, *more), tuple(rows))
    names = ("imported", "ready", "first call", "memory", "peak", "file")
    yield Table(
        "a fresh process: ms, MB; the file: kB",
        ("", *names, "golden", "UAR"),
        tuple(
            (
                _starred(result, variant),
                *(_number(variant.metrics[name], 0) for name in ("import_ms", "ready_ms")),
                _number(variant.metrics["first_call_ms"], 1),
                *(_number(variant.metrics[name], 1) for name in ("memory_mb", "peak_mb")),
                _number(variant.metrics["size_kb"], 1),
                "off by " + _significant(variant.metrics["deviation"])
                if variant.golden == "deviates"
                else variant.golden,
                _NONE if variant.uar is None else f"{variant.uar:.1%}",
            )
            for variant in result.variants
        ),
    )


def _remarks(result: Result) -> Iterator[str]:
    yield f"* what `ser-edge predict` takes ({result.default})"
    if result.interrupted is not None and result.interrupted >= 0.01:
        yield (
            f"{result.interrupted:.0%} of the calls were interrupted by other work on this "
            "machine: that is in the ms, and not in the kernels"
        )
    if result.after.throttled:
        yield "the processor is or was slowed down: " + ", ".join(result.after.throttled)
    for variant in result.variants:
        if variant.golden_detail:
            yield f"{variant.name}: {variant.golden_detail}"
    for failure in result.failures:
        yield f"{failure.name} was not measured: {failure.reason}"
    for backend, why in result.not_tried.items():
        yield f"{backend} was not tried: {why}"


def _compared(comparison: Comparison) -> Table:
    return Table(
        f"times what it took in {comparison.path}",
        ("", "ratio", "at least", "at most", "verdict"),
        tuple(
            (
                name,
                *(f"{value:.3f}" for value in (ratio.value, ratio.low, ratio.high)),
                "slower" if name in comparison.slower else "ok" if comparison.same_unit else _NONE,
            )
            for name, ratio in comparison.ratios.items()
        ),
    )


def _comparison_remarks(comparison: Comparison) -> Iterator[str]:
    yield (
        f"{comparison.share:.2%} intervals, in kernels; slower is what takes at least "
        f"{comparison.max_slowdown:g} times as long"
    )
    yield from comparison.notes
    if not comparison.same_unit:
        yield "so ratios are for information, and none of them fails"
    if comparison.missing:
        yield f"only in one of the two: {', '.join(comparison.missing)}"


def _starred(result: Result, variant: VariantResult) -> str:
    return f"{variant.name} *" if variant.name == result.default else variant.name


def _spread(variant: VariantResult, stage: str) -> list[str]:
    times = [_significant(variant.metrics[f"{stage}.p{q}_ms"]) for q in PERCENTILES]
    return [*times, _significant(variant.metrics[f"{stage}.p50_kernels"])]


def _significant(value: float | None) -> str:
    """Three digits, without an exponent."""
    if value is None:
        return _NONE
    if value == 0:
        return "0"
    digits = max(0, 2 - int(f"{value:e}".partition("e")[2]))
    return f"{value:.{min(digits, 7)}f}"


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _wrapped(name: str, text: str) -> list[str]:
    ahead = f"{name:<10} " if name else ""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=ahead,
        subsequent_indent=" " * (len(ahead) or 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _aligned(table: Table, first: int = 0) -> Iterator[str]:
    lines = [table.columns, *table.rows]
    widths = [max(6, *(len(line[i]) for line in lines)) for i in range(len(table.columns))]
    widths[0] = max(widths[0], first)
    if table.title:
        yield table.title
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        yield "  ".join(cells).rstrip()


def _piped(table: Table) -> str:
    rules = (":--", *("--:" for _ in table.columns[1:]))
    return "\n".join(f"| {' | '.join(line)} |" for line in (table.columns, rules, *table.rows))
