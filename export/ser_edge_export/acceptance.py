"""Acceptance criteria: how far a variant may differ from its float32 network."""

from __future__ import annotations

from dataclasses import dataclass

from ser_edge.checks import check_number
from ser_edge_train.variant_comparison import VariantResult

_FLOAT = ("float32", "float16")


@dataclass(frozen=True)
class AcceptanceCriteria:
    """Limits for every variant in every interpreter, on the test clips.

    Parameters
    ----------
    min_agreement : float in [0, 1]
        Smallest share of the clips that get the same label.
    max_uar_loss : float in [0, 1]
        Largest loss of UAR for variants with int8 weights.
    max_float_uar_loss : float in [0, 1]
        Largest loss of UAR for float32 and float16.

    Raises
    ------
    ConfigError
        For a value outside these ranges.
    """

    min_agreement: float = 0.98
    max_uar_loss: float = 0.01
    max_float_uar_loss: float = 0.001

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_number(name, value, 0, 1)

    def violation(self, result: VariantResult) -> str:
        """Describe how a variant violates the criteria; empty where it does not."""
        limit = self.max_float_uar_loss if result.precision in _FLOAT else self.max_uar_loss
        parts = []
        if result.agreement < self.min_agreement:
            parts.append(
                f"same label on {result.agreement:.1%} of the clips (expected at least "
                f"{self.min_agreement:.1%})"
            )
        if -result.uar_change > limit + 1e-9:  # limits in decimals, UAR a sum of fractions
            parts.append(
                f"UAR {-100 * result.uar_change:.2f} points lower (expected at most "
                f"{100 * limit:.2f})"
            )
        return f"{result.file} in {result.backend}: {' and '.join(parts)}" if parts else ""
