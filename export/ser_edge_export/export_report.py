"""``report.md`` of a bundle: each variant against the float32 network, and the int8 search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_edge.manifest import Manifest
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.quantisation_search import SearchResult
from ser_edge_train.tables import markdown_table, plain, variant_table
from ser_edge_train.variant_comparison import VariantResult


def write_report(
    path: Path,
    manifest: Manifest,
    results: Sequence[VariantResult],
    searches: Mapping[str, SearchResult],
    criteria: AcceptanceCriteria,
    violations: Sequence[str],
) -> None:
    """Write the measurements of an export; the int8 searches are by file."""
    n_clips = results[0].scores["all"].n_clips if results else 0
    verdict = (
        f"**Degraded**: {plain('; '.join(violations))}. Exported with --allow-degraded."
        if violations
        else "Every variant passed."
    )
    warning = manifest.about.get("warning")
    chance = f"**At chance level**: {warning}.\n\n" if warning else ""
    agreement, loss = f"{criteria.min_agreement:.1%}", f"{100 * criteria.max_uar_loss:g}"
    tried = markdown_table(
        ["file", "configuration", "expected same label", ""],
        [
            (plain(file), plain(config), f"{share:.1%}", "chosen" if config == found.config else "")
            for file, found in searches.items()
            for config, share in found.tried
        ],
    )
    path.write_text(
        f"""# {plain(manifest.name)}: export report

Every file ran in each usable interpreter, in a process of its own, on {n_clips} test clips. The
table compares it with the float32 network that was exported.

Acceptance criteria: the same label on at least {agreement} of the clips; UAR at most {loss} points
lower with int8 weights, at most {100 * criteria.max_float_uar_loss:g} points with float weights,
and there no probability changed by more than {criteria.max_float_change:g} and an SNR of at least
{criteria.min_float_snr_db:g} dB. {verdict}

{chance}{variant_table(results)}

- UAR: unweighted average recall, and its change
- McNemar p: p value of the test that both models are equally accurate
- same label: share of the clips that get the same label from both
- largest change: of any probability
- SNR: signal-to-noise ratio of the logits

## Int8 search

{tried if searches else "No variant is int8."}

The configuration was chosen on the validation clips, the test clips were used once. The expected
share with the same label compares the change of the margin between the two most probable labels
with the margins. Files for many windows or for audio input hold the same network.
""",
        encoding="utf-8",
    )
