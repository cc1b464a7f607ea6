"""What a form has to keep of what its source says, to be handed over."""

from __future__ import annotations

from dataclasses import dataclass

from ser_edge.errors import ConfigError
from ser_edge_train.variant_comparison import VariantResult

_FLOAT = ("float32", "float16")


@dataclass(frozen=True)
class AcceptanceCriteria:
    """The least that every form must reach, in every interpreter.

    Parameters
    ----------
    min_agreement : float in [0, 1]
        Share of the clips on which form and source say the same label.
    max_uar_loss : float in [0, 1]
        By how much UAR may be lower than the source's, for forms with int8 weights.
    max_float_uar_loss : float in [0, 1]
        The same for float32 and float16.

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
            if not 0 <= value <= 1:
                raise ConfigError(f"{name}={value!r}; expected a share from 0 to 1")

    def complaint(self, form: VariantResult) -> str:
        """Say how a form falls short; nothing where it does not."""
        most = self.max_float_uar_loss if form.precision in _FLOAT else self.max_uar_loss
        complaints = []
        if form.agreement < self.min_agreement:
            complaints.append(
                f"the same label on {form.agreement:.1%} of the clips (expected at least "
                f"{self.min_agreement:.1%})"
            )
        if -form.uar_change > most + 1e-9:
            complaints.append(
                f"UAR {-100 * form.uar_change:.2f} points lower (expected at most {100 * most:.2f})"
            )
        if not complaints:
            return ""
        return f"{form.file} in {form.backend}: {' and '.join(complaints)}"
