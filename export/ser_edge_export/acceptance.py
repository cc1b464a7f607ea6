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
    max_float_change : float in [0, 1]
        Largest change of a probability for float32 and float16.
    min_float_snr_db : float in [0, 200]
        Lowest SNR of the logits for float32 and float16 [dB].

    Raises
    ------
    ConfigError
        For a value outside these ranges.
    """

    min_agreement: float = 0.98
    max_uar_loss: float = 0.01
    max_float_uar_loss: float = 0.001
    # Measured: float32 1e-6 and over 90 dB, float16 1e-3 and 60 dB.
    max_float_change: float = 0.01
    min_float_snr_db: float = 40.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_number(name, value, 0, 200 if name == "min_float_snr_db" else 1)

    def violation(self, result: VariantResult) -> str:
        """Describe how a variant violates the criteria; empty where it does not."""
        is_float = result.precision in _FLOAT
        limit = self.max_float_uar_loss if is_float else self.max_uar_loss
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
        # "not (a <= b)" holds for NaN too.
        if is_float and not result.largest_change <= self.max_float_change:
            parts.append(
                f"a probability changed by {result.largest_change:.2g} (expected at most "
                f"{self.max_float_change:g})"
            )
        snr_db = result.snr_db
        if is_float and snr_db is not None and not snr_db >= self.min_float_snr_db:
            parts.append(
                f"SNR of the logits {snr_db:.1f} dB (expected at least {self.min_float_snr_db:g})"
            )
        return f"{result.file} in {result.backend}: {' and '.join(parts)}" if parts else ""
