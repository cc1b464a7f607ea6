"""An earlier run, and whether this one is slower than it by more than chance.

Times are compared in kernels, since the machine's own pace changes from minute to minute. What is
too slow is said only where the whole interval of the ratio lies above what is allowed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ser_edge.errors import SerEdgeError
from ser_edge_bench.plan import LEAST_PROCESSES
from ser_edge_bench.result import SCHEMA, SCHEMA_VERSION, Result, Setting
from ser_edge_bench.statistics import Ratio, bootstrap_ratio

FALSE_ALARMS = 0.05
"""In how many runs, at most, any interval at all should leave out the truth."""

_AGAIN = "measure it anew with `ser-edge bench --json FILE`"


@dataclass(frozen=True)
class Baseline:
    """An earlier run, as far as it is compared.

    Parameters
    ----------
    path : str
        Where it is.
    setting : dict
        As the JSON of a `Setting`, with ``blas``.
    blocks : dict of str to list of list of float
        See `ser_edge_bench.result.Result`.
    """

    path: str
    setting: dict[str, Any]
    blocks: dict[str, list[list[float]]]

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read what ``ser-edge bench --json FILE`` wrote.

        Raises
        ------
        SerEdgeError
            If it cannot be read, is something else, or has too few processes to be compared.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SerEdgeError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from None
        except (ValueError, RecursionError) as error:
            raise SerEdgeError(f"{path}: is not JSON ({error}); {_AGAIN}") from None
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise SerEdgeError(f'{path}: is no result; expected "schema": "{SCHEMA}", {_AGAIN}')
        if content.get("version") != SCHEMA_VERSION:
            raise SerEdgeError(
                f"{path}: has version {content.get('version')!r} of the schema, and this ser-edge "
                f"compares version {SCHEMA_VERSION}; {_AGAIN}"
            )
        try:
            setting: dict[str, Any] = {name: dict(content[name]) for name in _LOOKED_AT}
            setting["blas"] = content["blas"]
            blocks = {name: _processes(series) for name, series in content["blocks"].items()}
            processes = min(len(series) for series in blocks.values())
            for name, keys in _LOOKED_AT.items():
                _ = [setting[name][key] for key in keys]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SerEdgeError(
                f"{path}: is damaged or was changed ({type(error).__name__}: {error}); {_AGAIN}"
            ) from None
        if processes < LEAST_PROCESSES:
            raise SerEdgeError(
                f"{path}: was measured in {processes} processes, expected at least "
                f"{LEAST_PROCESSES} to tell noise from slowness; {_AGAIN}"
            )
        return cls(str(path), setting, blocks)

    def check(self, setting: Setting) -> None:
        """Refuse to be compared with what is another question.

        Raises
        ------
        SerEdgeError
            If the recording or the number of threads is another.
        """
        now = asdict(setting)
        for name, keys in (("clip", ("rate", "seconds", "windows")), ("plan", ("threads",))):
            for key in keys:
                if self.setting[name][key] != now[name][key]:
                    raise SerEdgeError(
                        f"{self.path}: the {name} has {key} {self.setting[name][key]} there, and "
                        f"{now[name][key]} here; give the same, or {_AGAIN}"
                    )

    def differences(self, setting: Setting, blas: str | None) -> tuple[list[str], bool]:
        """Say in what else the runs differ.

        Parameters
        ----------
        setting : Setting
            Of the run that is compared.
        blas : str or None
            Its `Result.blas`.

        Returns
        -------
        notes : list of str
            A line each.
        same_unit : bool
            Whether a kernel is the same work at the same pace, so that a slowdown is the code's:
            not on another processor, nor with another NumPy, BLAS or Python.
        """
        now = asdict(setting) | {"blas": blas}
        before, unit = self.setting, []
        for key in ("cpu", "machine", "python"):
            unit.append((key, before["machine"][key], now["machine"][key]))
        unit.append(("numpy", before["versions"].get("numpy"), now["versions"].get("numpy")))
        unit.append(("blas", before["blas"], blas))
        foreign = [(name, was, is_) for name, was, is_ in unit if was != is_]
        notes = [f"another {name}: {was}, now {is_}" for name, was, is_ in foreign]
        if before["bundle"]["digest"] != now["bundle"]["digest"]:
            notes.append(f"another bundle: {before['bundle']['name']}, now {now['bundle']['name']}")
        for name, is_ in now["versions"].items():
            was = before["versions"].get(name)
            if was != is_ and name != "numpy":
                notes.append(f"{name} was {was or 'absent'}, now {is_}")
        return notes, not foreign


@dataclass(frozen=True)
class Comparison:
    """A run held against an earlier one.

    Parameters
    ----------
    path : str
        The earlier one.
    max_slowdown : float
        What is allowed.
    share : float
        Of the intervals.
    ratios : dict of str to Ratio
        By call, such as ``"features"`` or ``"int8.litert:end_to_end"``.
    notes : tuple of str
        In what the two differ.
    same_unit : bool
        Whether a slowdown would be the code's; where it is False, nothing is said to be too slow.
    missing : tuple of str
        Calls that only one of the two has.
    """

    path: str
    max_slowdown: float
    share: float
    ratios: dict[str, Ratio]
    notes: tuple[str, ...]
    same_unit: bool
    missing: tuple[str, ...]

    @property
    def slower(self) -> dict[str, Ratio]:
        """What is too slow, for certain."""
        if not self.same_unit:
            return {}
        return {name: ratio for name, ratio in self.ratios.items() if ratio.low > self.max_slowdown}

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {**asdict(self), "slower": list(self.slower)}

    def complaints(self) -> Iterator[str]:
        """Say what is too slow, a sentence each."""
        for name, ratio in self.slower.items():
            yield (
                f"{name} takes {ratio.value:.2f} times what it took, at least {ratio.low:.2f} and "
                f"at most {ratio.high:.2f} ({self.share:.1%} interval); allowed are "
                f"{self.max_slowdown:g}"
            )


def compare(result: Result, baseline: Baseline, max_slowdown: float) -> Comparison:
    """Hold a run against an earlier one.

    Parameters
    ----------
    result : Result
        This run.
    baseline : Baseline
        That one; see `Baseline.check`.
    max_slowdown : float >= 1
        How many times as long each call may take.

    Returns
    -------
    comparison : Comparison
        Its intervals are so wide that all of them together hold the truth in 19 of 20 runs
        (Bonferroni).

    Raises
    ------
    SerEdgeError
        If the two have no call in common.
    """
    common = [name for name in result.blocks if name in baseline.blocks]
    if not any(":" in name for name in common):
        raise SerEdgeError(
            f"{baseline.path}: has no variant in common with this run; give the baseline of such a "
            "bundle, and the interpreters that it was measured with"
        )
    share = 1 - FALSE_ALARMS / len(common)
    notes, same_unit = baseline.differences(result.setting, result.blas)
    return Comparison(
        path=baseline.path,
        max_slowdown=max_slowdown,
        share=share,
        ratios={
            name: bootstrap_ratio(result.blocks[name], baseline.blocks[name], share=share)
            for name in common
        },
        notes=tuple(notes),
        same_unit=same_unit,
        missing=tuple(sorted(set(result.blocks) ^ set(baseline.blocks))),
    )


_LOOKED_AT = {
    "bundle": ("name", "digest"),
    "clip": ("rate", "seconds", "windows"),
    "machine": ("cpu", "machine", "python"),
    "versions": (),
    "plan": ("threads",),
}


def _processes(series: Any) -> list[list[float]]:
    """Check what a file has for a call: for each process numbers above zero."""
    processes = [[float(value) for value in blocks] for blocks in series]
    if not all(processes) or not all(0 < v < 1e9 for blocks in processes for v in blocks):
        raise ValueError("blocks without times")
    return processes
