"""A result as text for a terminal, at most 100 columns wide, or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ser_edge.errors import BackendError
from ser_edge.terminal import printable
from ser_edge_bench.baseline import Comparison
from ser_edge_bench.budget import Verdict
from ser_edge_bench.figures import SHARED_STAGES, VariantFigures
from ser_edge_bench.result import BenchResult
from ser_edge_bench.statistics import PERCENTILES
from ser_edge_bench.system import Conditions

_WIDTH = 100
_WRAP: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
_FIRST, _OTHER = 17, 6  # least widths of columns, so that tables below each other line up
_SPREAD = (*(f"p{q}" for q in PERCENTILES), "p50 in kernels")


@dataclass(frozen=True)
class Section:
    """A title, a table whose first column is text and whose others are numbers, and notes."""

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()

    def render(self, markdown: bool) -> str:
        lines = [self.columns, *self.rows] if self.rows else []
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        widths = [max(_OTHER if i else _FIRST, width) for i, width in enumerate(widths)]
        if markdown and lines:
            lines.insert(1, [":-", *("-:" for _ in widths[1:])])
        table = []
        for line in lines:
            cells = [line[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            table.append(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip())
        notes = [
            f"- {printable(note)}"
            if markdown
            else textwrap.fill(printable(note), _WIDTH, subsequent_indent="  ", **_WRAP)
            for note in self.notes
        ]
        parts = [f"## {self.title}" if markdown else self.title, "\n".join(table), "\n".join(notes)]
        return ("\n\n" if markdown else "\n").join(part for part in parts if part)


def render(sections: Sequence[Section], *, markdown: bool = False) -> str:
    return "\n\n".join(section.render(markdown) for section in sections) + "\n"


def report(
    result: BenchResult, verdicts: Sequence[Verdict] = (), comparison: Comparison | None = None
) -> list[Section]:
    sections = [
        Section(f"ser-edge bench: {result.setting.bundle['name']}", notes=list(_facts(result))),
        *_tables(result),
        Section("Notes", notes=list(_notes(result))),
    ]
    if verdicts:
        rows = [[str(v.budget), v.measured, "ok" if v.ok else "missed"] for v in verdicts]
        sections.append(Section("Budgets", ("", "measured", "verdict"), rows))
    if comparison:
        sections.append(_compared(comparison))
    return sections


def _facts(result: BenchResult) -> Iterator[str]:
    setting, machine, clip = result.setting, result.setting.machine, result.setting.clip
    plan = setting.plan
    yield f"bundle: {setting.bundle['folder']}, digest {setting.bundle['digest'][:12]}"
    yield f"date: {result.date.replace('T', ' ').replace('+00:00', ' UTC')}"
    cores = _count(machine.cores, "core")
    yield f"machine: {machine.cpu}, {cores}, {machine.system} on {machine.machine}"
    versions = ", ".join(f"{name} {version}" for name, version in setting.versions.items())
    yield f"versions: {machine.python}, {versions}"
    yield f"state: {_state(result.before, result.after)}"
    length = f"{clip['seconds']:.2f} s at {clip['sample_rate']} Hz"
    yield f"recording: {clip['name']}, {length}, {_count(clip['windows'], 'window')}"
    counts = sorted({len(times) for times in result.times_ms["kernel"]})
    rounds = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    cpus = f"CPU {', '.join(map(str, result.cpus))}" if result.cpus else "any CPU"
    processes, threads = _count(plan.processes, "process"), _count(plan.threads, "thread")
    yield f"method: {processes} of {rounds} rounds, {threads}, on {cpus}"
    yield f"calibration kernel: {result.kernel_ms:.3f} ms"


def _state(before: Conditions, after: Conditions) -> str:
    parts = [f"governor {before.governor}"] if before.governor else []
    for name, unit, digits in (("mhz", "MHz", 0), ("temperature_c", "°C", 1)):
        values = [getattr(state, name) for state in (before, after)]
        if None not in values:
            parts.append(f"{values[0]:.{digits}f} to {values[1]:.{digits}f} {unit}")
    if after.load is not None:
        parts.append(f"load {after.load:.1f}")
    if after.throttled is not None:
        parts.append(", ".join(after.throttled) or "not throttled")
    return ", ".join(parts) or "not reported by the system"


def _tables(result: BenchResult) -> Iterator[Section]:
    first = next((v for v in result.variants if v.input_kind != "audio"), result.variants[0])
    stages = [s for s in SHARED_STAGES if first.metrics[f"{s}.p50_ms"] is not None]
    names = [f"{v.name} *" if v.name == result.default else v.name for v in result.variants]
    named = list(zip(result.variants, names, strict=True))
    rows = [[stage, *_spread(first, stage)] for stage in stages]
    yield Section("Before the network [ms]", ("", *_SPREAD), rows)
    rows = [[name, *_spread(variant, "network")] for variant, name in named]
    yield Section("Network [ms]", ("", *_SPREAD), rows)
    more = {"per second": "throughput_per_s", "real-time factor": "real_time_factor"}
    rows = [
        [name, *_spread(v, "end_to_end"), *(_number(v.metrics[metric]) for metric in more.values())]
        for v, name in named
    ]
    yield Section("End to end [ms]", ("", *_SPREAD, *more), rows)
    process = {"import": "import_ms", "ready": "ready_ms", "first call": "first_call_ms"}
    process |= {"memory": "memory_mb", "peak": "peak_mb", "file": "size_kb"}
    rows = [
        [name, *(_number(v.metrics[metric]) for metric in process.values()), *_agreement(v)]
        for v, name in named
    ]
    columns = ("", *process, "golden", "UAR")
    yield Section("Start-up [ms], memory [MB], file [kB]", columns, rows)


def _agreement(variant: VariantFigures) -> list[str]:
    deviates = variant.golden == "deviates"
    deviation = f"off by {_number(variant.metrics['deviation'])}"
    uar = "-" if variant.uar is None else f"{variant.uar:.1%}"
    return [deviation if deviates else variant.golden, uar]


def _notes(result: BenchResult) -> Iterator[str]:
    yield f"`*`: `ser-edge predict` uses {result.default}"
    if result.interrupted is not None and result.interrupted >= 0.01:
        yield (
            f"{result.interrupted:.0%} of the calls had to wait for the CPU of this busy machine: "
            "the milliseconds include that, the kernels do not"
        )
    if result.after.throttled:
        yield f"the processor is or was slowed down: {', '.join(result.after.throttled)}"
    for variant in result.variants:
        if variant.golden_detail:
            yield str(BackendError(variant.golden_detail, variant.golden_remedy, variant.name))
    for failure in result.failures:
        yield f"not measured: {BackendError(failure.problem, failure.remedy, failure.name)}"
    for backend, why in result.not_tried.items():
        yield f"not tried: {backend}: {why}"


def _compared(comparison: Comparison) -> Section:
    unknown = "ok" if comparison.same_unit else "-"
    notes = [
        f"{comparison.share:.2%} intervals of the ratio in kernels; a call is slower if the whole "
        f"interval is above {comparison.max_slowdown:g}",
        *comparison.notes,
    ]
    if not comparison.same_unit:
        notes.append("the kernel is another unit, so no call counts as slower")
    if comparison.missing:
        notes.append(f"only in one of the runs: {', '.join(comparison.missing)}")
    rows = []
    for name, ratio in comparison.ratios.items():
        values = [f"{value:.3f}" for value in (ratio.value, ratio.low, ratio.high)]
        rows.append([name, *values, "slower" if name in comparison.slower else unknown])
    title = f"Compared with {comparison.path}"
    return Section(title, ("", "ratio", "low", "high", "verdict"), rows, notes)


def _spread(variant: VariantFigures, stage: str) -> list[str]:
    names = [*(f"{stage}.p{q}_ms" for q in PERCENTILES), f"{stage}.p50_kernels"]
    return [_number(variant.metrics[name]) for name in names]


def _number(value: float | None) -> str:
    """Return three significant digits, without an exponent."""
    if not value:
        return "-" if value is None else "0"
    return f"{value:.{min(max(0, 2 - int(f'{value:e}'.partition('e')[2])), 7)}f}"


def _count(number: int, name: str) -> str:
    plural = "es" if name.endswith("s") else "s"
    return f"{number} {name if number == 1 else name + plural}"
