"""Metrics of one run, or of all folds and seeds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ser_edge.errors import SerEdgeError
from ser_edge_train.confidence import reliability, risk_coverage
from ser_edge_train.metrics import Scores
from ser_edge_train.predictions import Predictions
from ser_edge_train.run import Run

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.5)  # rows of the table of selective prediction


@dataclass(frozen=True)
class Summary:
    """Test predictions of networks with the same recipe, protocol and labels.

    Parameters
    ----------
    name : str
        Name in a comparison.
    labels : tuple of str
    runs : tuple of Run
    predictions, uncalibrated : tuple of Predictions
        Of each run, with and without its temperature.
    """

    name: str
    labels: tuple[str, ...]
    runs: tuple[Run, ...]
    predictions: tuple[Predictions, ...]
    uncalibrated: tuple[Predictions, ...]

    @classmethod
    def of(cls, runs: Sequence[Run], name: str | None = None) -> Summary:
        """Gather the predictions of the float32 networks; the default name is recipe and protocol.

        Raises
        ------
        SerEdgeError
            If the runs differ in labels, recipe or protocol.
        """
        kinds = {(run.settings.labels, run.settings.recipe.name, protocol_of(run)) for run in runs}
        if len(kinds) > 1:
            first, second, *_ = sorted(kinds)
            raise SerEdgeError(
                f"has runs of different kinds, {first} and {second}",
                "give runs with one recipe, protocol and set of labels",
                runs[0].folder.parent,
            )
        [(labels, recipe, protocol)] = kinds
        held_out = [run.held_out("test") for run in runs]
        logits = [run.logits("test") for run in runs]
        return cls(
            name or f"{recipe}, {protocol}",
            labels,
            tuple(runs),
            tuple(
                part.predictions(outputs, run.settings.temperature)
                for part, outputs, run in zip(held_out, logits, runs, strict=True)
            ),
            tuple(
                part.predictions(outputs, 1.0)
                for part, outputs in zip(held_out, logits, strict=True)
            ),
        )

    @property
    def pooled(self) -> Predictions:
        """The predictions of all runs; a clip counts once per seed."""
        return Predictions.join(self.predictions)

    @property
    def scores(self) -> dict[str, Scores]:
        """Metrics over all runs: of all clips, by corpus, by sex."""
        pooled = self.pooled
        return {**pooled.scores(self.labels), **pooled.scores_by_sex(self.labels)}

    @property
    def uar_of_runs(self) -> dict[tuple[int, int], float]:
        """UAR of each run, by fold and seed."""
        return {
            fold_and_seed(run): predictions.score(self.labels).uar
            for run, predictions in zip(self.runs, self.predictions, strict=True)
        }

    @property
    def uar(self) -> float:
        """Mean UAR over folds and seeds."""
        return float(np.mean(list(self.uar_of_runs.values())))

    def uar_spread(self, over: str) -> float | None:
        """Return the standard deviation of UAR over ``"folds"`` or ``"seeds"``.

        Its values are means over the other. None with a single value.
        """
        place = ("folds", "seeds").index(over)
        groups: dict[int, list[float]] = {}
        for key, value in self.uar_of_runs.items():
            groups.setdefault(key[place], []).append(value)
        means = [np.mean(values) for values in groups.values()]
        return float(np.std(means, ddof=1)) if len(means) > 1 else None

    @property
    def uar_of_speakers(self) -> dict[str, float]:
        """UAR of each test speaker."""
        pooled = self.pooled
        return {
            str(speaker): pooled.select(pooled.speakers == speaker).score(self.labels).uar
            for speaker in np.unique(pooled.speakers)
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as JSON types."""
        pooled, raw = self.pooled, Predictions.join(self.uncalibrated)
        curve = risk_coverage(pooled.probabilities, pooled.y_true)
        return {
            "name": self.name,
            "labels": list(self.labels),
            "folds": len({fold for fold, _ in self.uar_of_runs}),
            "seeds": len({seed for _, seed in self.uar_of_runs}),
            "uar": self.uar,
            "uar_sd_folds": self.uar_spread("folds"),
            "uar_sd_seeds": self.uar_spread("seeds"),
            "parameters": self.runs[0].settings.about["parameters"],
            "temperatures": [run.settings.temperature for run in self.runs],
            "calibration_error": {
                "before": reliability(raw.probabilities, raw.y_true).error,
                "after": reliability(pooled.probabilities, pooled.y_true).error,
            },
            "risk_coverage_area": curve.area,
            "selective_prediction": [
                dict(zip(("coverage", "threshold", "risk"), (share, *curve.at(share)), strict=True))
                for share in COVERAGES
            ],
            "scores": {name: asdict(scores) for name, scores in self.scores.items()},
            "uar_of_speakers": self.uar_of_speakers,
            "uar_of_runs": [
                {"fold": fold, "seed": seed, "uar": uar}
                for (fold, seed), uar in self.uar_of_runs.items()
            ],
        }


def fold_and_seed(run: Run) -> tuple[int, int]:
    """Return a run's fold and seed."""
    protocol = run.settings.about["protocol"]
    return protocol["fold"], protocol["seed"]


def protocol_of(run: Run) -> str:
    """Return the name of a run's protocol, with the test corpus."""
    protocol = run.settings.about["protocol"]
    tested_on = protocol["test_corpus"]
    return f"{protocol['name']} ({tested_on})" if tested_on else str(protocol["name"])
