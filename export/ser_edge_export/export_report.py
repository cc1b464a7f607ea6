"""``report.md`` of a bundle: how each form did against its source, and how int8 was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_edge.manifest import Manifest
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.quantisation_search import SearchResult
from ser_edge_train.tables import markdown_table, variant_table
from ser_edge_train.variant_comparison import VariantResult


def write_proof(
    path: Path,
    manifest: Manifest,
    forms: Sequence[VariantResult],
    mended: Mapping[str, SearchResult],
    gate: AcceptanceCriteria,
    complaints: Sequence[str],
) -> None:
    """Write what was measured at export.

    Parameters
    ----------
    path : Path
        The file.
    manifest : Manifest
        The bundle's.
    forms : sequence of VariantResult
        On the test clips.
    mended : mapping of str to SearchResult
        How int8 networks were made, by the file that takes features.
    gate : AcceptanceCriteria
        What each form had to keep.
    complaints : sequence of str
        Forms that do not, and are here all the same.
    """
    n_clips = forms[0].scores["all"].n_clips if forms else 0
    verdict = (
        "**Degraded**: " + "; ".join(complaints) + ". Exported all the same, as was asked for."
        if complaints
        else "Every form passed."
    )
    tried = markdown_table(
        ["file", "tried", "expected to keep their label", ""],
        [
            (file, str(way), f"{agreement:.1%}", "taken" if way == found.way else "")
            for file, found in mended.items()
            for way, agreement in found.tried
        ],
    )
    path.write_text(
        f"""# {manifest.name}: the export

Every file was run by each interpreter that was there, in a process of its own, over {n_clips} test
clips, and held against the network that it was made from.

AcceptanceCriteria: the same label on {gate.min_agreement:.1%} of the clips at least; UAR at most
{100 * gate.max_uar_loss:g} points lower with int8 weights, {100 * gate.max_float_uar_loss:g} without.
{verdict}

{variant_table(forms)}

UAR is the unweighted average recall; McNemar p the chance of such a difference in right answers were
both equally good; same label, the share of clips; largest change, of any probability; SNR, that of
the logits.

## How int8 was made

{tried if mended else "There is no int8 form here."}

The way was chosen on validation clips, so that the test clips were looked at once: by how far it
moves the margin between the two most probable labels, against how large the margins are. Files for
many windows or for samples hold the same network.
""",
        encoding="utf-8",
    )
