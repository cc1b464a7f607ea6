"""Budgets: what a figure may be, as ``end_to_end.p95_ms<=50`` or ``int8.onnx:size_kb<=300``."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_edge.errors import ConfigError
from ser_edge_bench.metrics import KNOWN, NAMES

_FORM = re.compile(r"\s*(?:([^:<>=\s]+)\s*:)?\s*([^:<>=\s]+)\s*(<=|>=)\s*(\S+)\s*")


@dataclass(frozen=True)
class Budget:
    """What one figure may be.

    Parameters
    ----------
    variant : str
        Of which variant; empty for the one that ``ser-edge predict`` takes.
    metric : str
        One of `ser_edge_bench.metrics.NAMES`.
    relation : {"<=", ">="}
        Whether it may be at most, or has to be at least, the limit.
    limit : float
        In the metric's unit.
    """

    variant: str
    metric: str
    relation: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read it as it is written on a command line.

        Raises
        ------
        ConfigError
            If it is not of the form ``[VARIANT:]METRIC<=NUMBER``, or there is no such metric.

        Examples
        --------
        >>> Budget.parse("int8.litert:network.p50_ms <= 1.5")
        Budget(variant='int8.litert', metric='network.p50_ms', relation='<=', limit=1.5)
        >>> Budget.parse("size_kb=300")
        Traceback (most recent call last):
        ser_edge.errors.ConfigError: 'size_kb=300'; expected [VARIANT:]METRIC<=NUMBER or >=, ...
        """
        match = _FORM.fullmatch(text)
        limit = _finite(match[4]) if match else None
        if match is None or limit is None:
            raise ConfigError(
                f"{text!r}; expected [VARIANT:]METRIC<=NUMBER or >=, such as end_to_end.p95_ms<=50"
            )
        if match[2] not in NAMES:
            raise ConfigError(f"{text!r} names no metric {match[2]!r}; there are {KNOWN}")
        return cls(match[1] or "", match[2], match[3], limit)

    def __str__(self) -> str:
        ahead = f"{self.variant}:" if self.variant else ""
        return f"{ahead}{self.metric}{self.relation}{self.limit:g}"


@dataclass(frozen=True)
class Verdict:
    """How a budget was kept.

    Parameters
    ----------
    budget : Budget
        What was allowed.
    variant : str
        Which variant was looked at.
    value : float or None
        What was measured; None where nothing could be.
    """

    budget: Budget
    variant: str
    value: float | None

    @property
    def ok(self) -> bool:
        """Whether it was kept. What could not be measured was not."""
        if self.value is None:
            return False
        if self.budget.relation == "<=":
            return self.value <= self.budget.limit
        return self.value >= self.budget.limit

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "budget": str(self.budget),
            "variant": self.variant,
            "value": self.value,
            "ok": self.ok,
        }

    def __str__(self) -> str:
        named = f"{self.variant}:{self.budget.metric}"
        if self.value is None:
            return f"{named} was not measured, expected {self.budget.relation}{self.budget.limit:g}"
        said = f"{named} is {self.value:.4g}"
        if self.ok:
            return f"{said}, within its budget of {self.budget.limit:g}"
        over, limit = abs(self.value - self.budget.limit), abs(self.budget.limit)
        share = f" ({over / limit:.0%})" if limit else ""
        way = "over" if self.budget.relation == "<=" else "under"
        return f"{said}, {over:.3g}{share} {way} its budget of {self.budget.limit:g}"


def read_budgets(path: Path) -> tuple[Budget, ...]:
    """Read a file of budgets: TOML, or the same as JSON.

    Parameters
    ----------
    path : Path
        With one entry, ``budgets``, a list of budgets as on a command line.

    Returns
    -------
    budgets : tuple of Budget

    Raises
    ------
    ConfigError
        If it cannot be read, or holds anything else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"{path}: cannot be read ({reason}); give a file of budgets") from None
    content = _json(path, text) if path.suffix == ".json" else _toml(path, text)
    budgets = content.get("budgets") if isinstance(content, dict) else None
    if not isinstance(budgets, list) or len(content) > 1 or not budgets:
        raise ConfigError(
            f"{path}: expected one entry and nothing else, "
            'budgets = ["end_to_end.p95_ms<=50", "size_kb<=300"]'
        )
    try:
        return tuple(Budget.parse(str(budget)) for budget in budgets)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not JSON ({error}); mend it") from None


def _toml(path: Path, text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib

        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigError(f"{path}: is not TOML ({error}); mend it") from None
    raise ConfigError(
        f"{path}: Python reads TOML from 3.11 on, and this is {sys.version.split()[0]}; write it "
        'as JSON, {"budgets": ["end_to_end.p95_ms<=50"]}, into a file whose name ends in .json'
    )


def judged(
    budgets: Sequence[Budget], metrics: dict[str, dict[str, float | None]], default: str
) -> tuple[Verdict, ...]:
    """Hold what was measured against budgets.

    Parameters
    ----------
    budgets : sequence of Budget
        What is allowed.
    metrics : dict of str to dict
        Of each variant that was measured, what was.
    default : str
        The variant of those budgets that name none.

    Returns
    -------
    verdicts : tuple of Verdict
        In their order.
    """
    named = [(budget, budget.variant or default) for budget in budgets]
    return tuple(
        Verdict(budget, name, metrics.get(name, {}).get(budget.metric)) for budget, name in named
    )


def _finite(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
