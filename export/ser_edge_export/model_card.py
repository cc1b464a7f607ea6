"""``MODEL_CARD.md``: what a bundle is for, how good it is, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Sequence

from ser_edge.manifest import Manifest
from ser_edge_train.metrics import Scores
from ser_edge_train.report import protocol_name
from ser_edge_train.tables import (
    markdown_table,
    score_table,
    selective_prediction_table,
    variant_table,
)
from ser_edge_train.variant_comparison import VariantResult


def model_card(manifest: Manifest, forms: Sequence[VariantResult], notes: str = "") -> str:
    """Write a bundle's model card.

    Parameters
    ----------
    manifest : Manifest
        With ``about`` filled.
    forms : sequence of VariantResult
        How the exported forms did on the run's test clips.
    notes : str
        Markdown of whoever exports, put ahead of the data.

    Returns
    -------
    text : str
        Markdown.
    """
    about = manifest.about
    scores = {name: Scores(**values) for name, values in about["metrics"].items()}
    corpora = markdown_table(
        ["corpus", "clips", "speakers", "who speaks", "in training", "licence", "source"],
        [
            (
                name,
                c["clips"],
                c["speakers"],
                c.get("voices", ""),
                "yes" if c["trained_on"] else "no",
                c["licence"],
                c["citation"],
            )
            for name, c in about["corpora"].items()
        ],
    )
    recall = markdown_table(
        ["label", "recall"], [(name, f"{r:.1%}") for name, r in scores["all"].recall.items()]
    )
    failed = about["gate"]["failed"]
    degraded = (
        f"**Degraded**, and exported all the same: {'; '.join(failed)}.\n\n" if failed else ""
    )
    remarks = "\n".join(f"- {note}" for note in about["protocol"]["notes"])
    seconds = manifest.input.window.duration_s
    return f"""# {manifest.name}

Classifies speech into {", ".join(manifest.labels)}, on a device, from windows of {seconds} s.
Recipe `{about["recipe"]["name"]}`, {about["parameters"]:,} parameters.

## Accuracy

Protocol **{protocol_name(about)}**; float32 Keras model; 95 % intervals by bootstrap over speakers.

{score_table(scores)}

{recall}

{remarks}

The exported forms against their source, on the same clips (`report.md` tells how they were made):

{degraded}{variant_table(forms)}

{_confidence(manifest)}{notes.strip()}

## Data

{corpora}

Licence: {about["licence"]}.

## Limits

- The corpora are acted: actors were told what to show. Spontaneous speech is harder, and nobody's
  inner state can be read from a voice. A label says how speech sounds, not what a person feels.
- Speakers, languages, ages, rooms and microphones unlike those above lower the accuracy, and by
  more than the intervals, which cover other speakers of the same corpora only.
- A silent clip is refused. Noise, music or another language gets a label all the same.

## Uses

Meant for research, prototypes, games, and interfaces that a person can correct. Not for decisions
about a person. The EU AI Act prohibits inferring emotions at the workplace and in education, but
for medical or safety reasons (Art. 5(1)(f)), and has people told where emotion recognition is used
(Art. 50(3)).
"""


def _confidence(manifest: Manifest) -> str:
    """Say whether probabilities can be believed and what abstaining gains, where it is known."""
    about = manifest.about
    if "selective_prediction" not in about:
        return ""
    error = about["calibration_error"]
    return f"""## Probabilities, and saying nothing

The expected calibration error on the test clips is {error["before"]:.1%} as trained and
{error["after"]:.1%} with the temperature that validation speakers gave, {manifest.temperature:.2f},
which the runtime applies. It is larger in other rooms and languages. An application that would
rather say nothing than be wrong gives no answer below a probability:

{selective_prediction_table(about["selective_prediction"])}

"""
