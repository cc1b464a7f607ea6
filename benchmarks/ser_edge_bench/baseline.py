"""An earlier run, and whether this run is slower by more than chance.

Times are compared in kernels, because the machine's speed changes from minute to minute. A call is
slower if the whole interval of its ratio lies above the allowed slowdown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ser_edge.errors import ConfigError, SerEdgeError, error_source
from ser_edge.files import read_file
from ser_edge.versioned_json import parse_versioned_json
from ser_edge_bench.plan import MIN_PROCESSES
from ser_edge_bench.result import FORMAT, FORMAT_VERSION, BenchResult, Setting
from ser_edge_bench.statistics import Ratio, bootstrap_ratio

FALSE_ALARMS = 0.05
"""Share of runs in which one or more of the intervals miss the true ratio."""

_MAX_BYTES = 1 << 27
_AGAIN = "measure the baseline again with `ser-edge bench --json FILE`"

_COMPARED = {
    "bundle": ("name", "digest"),
    "clip": ("sample_rate", "seconds", "windows"),
    "machine": ("cpu", "machine", "python"),
    "versions": (),
    "plan": ("threads",),
}


@dataclass(frozen=True)
class Baseline:
    """An earlier run: its file, its `Setting` with ``blas`` as JSON, and its blocks."""

    path: str
    setting: dict[str, Any]
    blocks: dict[str, list[list[float]]]

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a file of ``ser-edge bench --json``; `SerEdgeError` if it cannot be compared."""
        try:
            with error_source(path):
                content = parse_versioned_json(
                    read_file(path, _MAX_BYTES, remedy=_AGAIN),
                    FORMAT,
                    FORMAT_VERSION,
                    remedy=_AGAIN,
                )
            setting: dict[str, Any] = {
                name: {key: content[name][key] for key in keys or content[name]}
                for name, keys in _COMPARED.items()
            }
            setting["blas"] = content["blas"]
            blocks = {call: _times(series) for call, series in content["blocks"].items()}
            processes = min(len(series) for series in blocks.values())
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise SerEdgeError(f"is damaged ({reason})", _AGAIN, path) from None
        if processes < MIN_PROCESSES:
            problem = f"has {processes} processes, expected {MIN_PROCESSES} or more"
            raise SerEdgeError(problem, _AGAIN, path)
        return cls(str(path), setting, blocks)

    def check(self, setting: Setting) -> None:
        """Raise `ConfigError` for another recording or another number of threads."""
        now = asdict(setting)
        for name in ("clip", "plan"):
            for key in _COMPARED[name]:
                was, value = self.setting[name][key], now[name][key]
                if was != value:
                    raise ConfigError(
                        f"was measured with {key}={was}, and this run has {key}={value}",
                        f"give this run the same {name}, or {_AGAIN}",
                        self.path,
                    )

    def differences(self, setting: Setting, blas: str | None) -> tuple[list[str], bool]:
        """Return notes on what else differs, and whether the kernel is the same unit.

        On another processor, or with another NumPy, BLAS or Python, it is not.
        """
        before, now = self.setting, asdict(setting)
        pairs = [(key, before["machine"][key], now["machine"][key]) for key in _COMPARED["machine"]]
        pairs += [("numpy", before["versions"].get("numpy"), now["versions"].get("numpy"))]
        pairs += [("blas", before["blas"], blas)]
        same_unit = all(was == value for _, was, value in pairs)
        if before["bundle"]["digest"] != now["bundle"]["digest"]:
            pairs += [("bundle", before["bundle"]["name"], f"another {now['bundle']['name']}")]
        others = [name for name in now["versions"] if name != "numpy"]
        pairs += [(name, before["versions"].get(name), now["versions"][name]) for name in others]
        notes = [f"{name} was {was}, is {value}" for name, was, value in pairs if was != value]
        return notes, same_unit


@dataclass(frozen=True)
class Comparison:
    """A run compared with an earlier one."""

    path: str
    max_slowdown: float
    share: float  # coverage of each interval
    ratios: dict[str, Ratio]  # by call, such as "features" or "int8.litert:end_to_end"
    notes: tuple[str, ...]  # what else differs between the runs
    same_unit: bool  # whether the kernel is the same unit
    missing: tuple[str, ...]  # calls that only one run has

    @property
    def slower(self) -> dict[str, Ratio]:
        """The calls that are slower for certain; none where the kernel is another unit."""
        if not self.same_unit:
            return {}
        return {name: ratio for name, ratio in self.ratios.items() if ratio.low > self.max_slowdown}

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "slower": list(self.slower)}

    def complaints(self) -> Iterator[str]:
        for name, ratio in self.slower.items():
            yield (
                f"{name} takes {ratio.value:.2f} times as long as in {self.path} ({self.share:.1%} "
                f"interval {ratio.low:.2f} to {ratio.high:.2f}), allowed is {self.max_slowdown:g}"
            )


def compare(result: BenchResult, baseline: Baseline, max_slowdown: float) -> Comparison:
    """Compare a run with an earlier one.

    The intervals are Bonferroni-corrected: in 19 of 20 runs all of them hold the true ratio.
    `SerEdgeError` if the two have no variant in common.
    """
    common = [name for name in result.blocks if name in baseline.blocks]
    if not any(":" in name for name in common):
        raise SerEdgeError("has no variant of this run", _AGAIN, baseline.path)
    share = 1 - FALSE_ALARMS / len(common)
    notes, same_unit = baseline.differences(result.setting, result.blas)
    ratios = {
        name: bootstrap_ratio(result.blocks[name], baseline.blocks[name], share=share)
        for name in common
    }
    missing = tuple(sorted(set(result.blocks) ^ set(baseline.blocks)))
    path, slowdown = baseline.path, max_slowdown
    return Comparison(path, slowdown, share, ratios, tuple(notes), same_unit, missing)


def _times(series: Any) -> list[list[float]]:
    """Check a call's blocks: for each process positive numbers."""
    processes = [[float(value) for value in blocks] for blocks in series]
    if not all(processes) or not all(0 < v < 1e9 for blocks in processes for v in blocks):
        raise ValueError("blocks without times")
    return processes
