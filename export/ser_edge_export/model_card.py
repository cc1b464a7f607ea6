"""``MODEL_CARD.md`` of a bundle: intended use, accuracy, data and limits."""

from __future__ import annotations

from collections.abc import Sequence

from ser_edge.manifest import Manifest
from ser_edge_train.metrics import Scores
from ser_edge_train.report import protocol_name
from ser_edge_train.tables import (
    markdown_table,
    plain,
    score_table,
    selective_prediction_table,
    variant_table,
)
from ser_edge_train.variant_comparison import VariantResult


def model_card(manifest: Manifest, results: Sequence[VariantResult], notes: str = "") -> str:
    """Return a bundle's model card; `notes` are Markdown to insert before the data."""
    about = manifest.about
    scores = {name: Scores(**values) for name, values in about["metrics"].items()}
    corpora = markdown_table(
        ["corpus", "clips", "speakers", "who speaks", "in training", "licence", "source"],
        [
            (
                plain(name),
                c["clips"],
                c["speakers"],
                plain(c.get("voices", "")),
                "yes" if c["trained_on"] else "no",
                plain(c["licence"]),
                plain(c["citation"]),
            )
            for name, c in about["corpora"].items()
        ],
    )
    recall = markdown_table(
        ["label", "recall"], [(plain(name), f"{r:.1%}") for name, r in scores["all"].recall.items()]
    )
    failed = about["acceptance"]["failed"]
    degraded = f"**Degraded**: {plain('; '.join(failed))}.\n\n" if failed else ""
    warning = f"**At chance level**: {plain(about['warning'])}.\n\n" if about.get("warning") else ""
    remarks = [f"- {plain(note)}" for note in about["protocol"]["notes"]]
    accuracy = "\n\n".join(filter(None, [score_table(scores), recall, "\n".join(remarks)]))
    protocol = plain(protocol_name(about))
    seconds = manifest.input.window.duration_s
    sections = [
        f"""# {plain(manifest.name)}

Classifies speech into {plain(", ".join(manifest.labels))}, on a device, in windows of {seconds} s.
Recipe `{about["recipe"]["name"]}`, {about["parameters"]:,} parameters.

## Accuracy

Protocol: **{protocol}**. Model: float32 Keras. UAR is the unweighted average recall, WA
the accuracy. The 95 % intervals are bootstrapped over speakers.

{warning}{accuracy}

The exported variants, compared with the Keras model on the same clips (details in `report.md`):

{degraded}{variant_table(results)}
""",
        _confidence(manifest),
        f"{notes.strip()}\n" if notes.strip() else "",
        f"""## Data

{corpora}

Licence: {plain(about["licence"])}.

## Limits

- The corpora are acted. Spontaneous speech is harder. A label describes how speech sounds, not what
  a person feels.
- Other languages, ages, rooms and microphones lower the accuracy by more than the intervals. These
  cover only other speakers of the same corpora.
- Silent clips are refused. Noise, music and other languages are labelled too.

## Uses

For research, prototypes, games, and interfaces that a person can correct. Not for decisions about a
person. The EU AI Act prohibits inferring emotions at the workplace and in education, except for
medical or safety reasons (Art. 5(1)(f)). People must be informed where emotion recognition is used
(Art. 50(3)).
""",
    ]
    return "\n".join(filter(None, sections))


def _confidence(manifest: Manifest) -> str:
    """Describe calibration and selective prediction; empty without such figures."""
    about = manifest.about
    if "selective_prediction" not in about:
        return ""
    error = about["calibration_error"]
    before, after = f"{error['before']:.1%}", f"{error['after']:.1%}"
    return f"""## Probabilities

The runtime divides the logits by the temperature {manifest.temperature:.2f}, fitted on validation
speakers. The expected calibration error on the test clips is {before} without and {after} with it.
It is larger in other rooms and languages.

Selective prediction: an application can reject clips below a probability.

{selective_prediction_table(about["selective_prediction"])}
"""
