"""Budgets: limits of figures, such as ``end_to_end.p95_ms<=50`` or ``int8.onnx:size_kb<=300``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ser_edge.errors import ConfigError
from ser_edge_bench.figures import NAMES, STAGES
from ser_edge_bench.result import BenchResult
from ser_edge_bench.statistics import PERCENTILES

_BUDGET = re.compile(r"\s*(?:([^:<>=\s]+)\s*:)?\s*([^:<>=\s]+)\s*(<=|>=)\s*(\S+)\s*")

_METRICS = (
    f"STAGE.pNN_ms or STAGE.pNN_kernels (stages {', '.join(STAGES)}; NN "
    f"{', '.join(map(str, PERCENTILES))}), {', '.join(n for n in NAMES if '.' not in n)}"
)


@dataclass(frozen=True)
class Budget:
    """A limit of a figure; an empty ``variant`` is the one that ``ser-edge predict`` uses."""

    variant: str
    metric: str
    relation: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read the value of ``--budget``.

        Raises
        ------
        ConfigError
            If it is not ``[VARIANT:]METRIC<=NUMBER``, or the metric is unknown.

        Examples
        --------
        >>> Budget.parse("int8.litert:network.p50_ms <= 1.5")
        Budget(variant='int8.litert', metric='network.p50_ms', relation='<=', limit=1.5)
        """
        match = _BUDGET.fullmatch(text)
        try:
            limit = float(match[4]) if match else math.nan
        except ValueError:
            limit = math.nan
        if match is None or not math.isfinite(limit):
            raise ConfigError(
                f"--budget {text!r}, expected [VARIANT:]METRIC<=NUMBER or >=",
                "for example --budget 'end_to_end.p95_ms<=50'",
            )
        if match[2] not in NAMES:
            raise ConfigError(f"--budget {text!r} has the metric {match[2]!r}, expected {_METRICS}")
        return cls(match[1] or "", match[2], match[3], limit)

    def __str__(self) -> str:
        prefix = f"{self.variant}:" if self.variant else ""
        return f"{prefix}{self.metric}{self.relation}{self.limit:g}"


@dataclass(frozen=True)
class Verdict:
    """A budget, with its variant filled in, and the measured value; None if there is none."""

    budget: Budget
    value: float | None

    @property
    def ok(self) -> bool:
        """Whether the value is within the budget; a value that is missing is not."""
        if self.value is None:
            return False
        if self.budget.relation == "<=":
            return self.value <= self.budget.limit
        return self.value >= self.budget.limit

    @property
    def measured(self) -> str:
        return "not measured" if self.value is None else f"{self.value:.4g}"

    def to_dict(self) -> dict[str, Any]:
        return {"budget": str(self.budget), "value": self.value, "ok": self.ok}

    def __str__(self) -> str:
        return f"{self.budget} {'is met' if self.ok else 'is not met'}: {self.measured}"


def judge(budgets: Sequence[Budget], result: BenchResult) -> list[Verdict]:
    """Compare the figures of a run with budgets."""
    metrics = {variant.name: variant.metrics for variant in result.variants}
    named = [
        Budget(budget.variant or result.default, budget.metric, budget.relation, budget.limit)
        for budget in budgets
    ]
    return [Verdict(budget, metrics.get(budget.variant, {}).get(budget.metric)) for budget in named]
