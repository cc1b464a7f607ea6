"""The warning of a network that is no better than chance on the test clips."""

from __future__ import annotations

from ser_edge_train.metrics import Scores


def chance_warning(scores: Scores) -> str:
    """Describe a network whose UAR is at chance level; empty for any other.

    Examples
    --------
    >>> recall = {"angry": 1.0, "sad": 0.0}
    >>> chance_warning(Scores(8, 2, 0.5, 0.5, 0.5, 0.5, 0.3, recall, [[4, 0], [4, 0]]))
    'UAR 50.0% (95 % interval 50.0% to 50.0%) is not above chance, 50.0% for the 2 labels of the ...
    """
    if not scores.is_chance:
        return ""
    return (
        f"UAR {scores.uar:.1%} (95 % interval {scores.interval}) is not above chance, "
        f"{scores.chance:.1%} for the {len(scores.recall)} labels of the {scores.n_clips} test "
        "clips: check the order of the labels, the recipe and the scaler, and use more test clips"
    )
