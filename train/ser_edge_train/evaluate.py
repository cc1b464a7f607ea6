"""`ser-edge evaluate`: metrics of a run and its exported variants, or a comparison of runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ser_edge.bundle import Bundle
from ser_edge.errors import SerEdgeError
from ser_edge.terminal import printable
from ser_edge_train.clips import legal_text
from ser_edge_train.corpora import CALM
from ser_edge_train.crossval import find_runs
from ser_edge_train.dataset import held_out, load_dataset
from ser_edge_train.feature_store import FeatureStore
from ser_edge_train.folders import written_beside
from ser_edge_train.metrics import Scores
from ser_edge_train.report import protocol_name, write_report
from ser_edge_train.run import HeldOut, Run
from ser_edge_train.summary import Summary
from ser_edge_train.tables import score_table, variant_table
from ser_edge_train.variant_comparison import Reference, VariantResult, compare_variants


@dataclass(frozen=True)
class Evaluation:
    """The scores of the float32 Keras model, and of each exported variant in each interpreter.

    `tested_on` is the protocol or the data, as text. `keras` has the scores over all clips and by
    corpus.
    """

    tested_on: str
    keras: dict[str, Scores]
    variants: tuple[VariantResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        text = f"{printable(self.tested_on)}\n\nKeras, float32:\n\n{score_table(self.keras)}\n"
        if not self.variants:
            return text
        table = variant_table(self.variants, latency=True)
        return f"{text}\nExported model variants, compared with Keras:\n\n{table}\n"


def evaluate(
    run_folder: str | os.PathLike[str],
    sources: Sequence[str | os.PathLike[str]] = (),
    *,
    bundle: Path | None = None,
    cache: Path | None = None,
) -> Evaluation:
    """Evaluate a run and its bundle.

    Parameters
    ----------
    run_folder : path
        Written by ``ser-edge train``.
    sources : sequence of path
        Labelled speech to test on instead of the run's test clips. Clips of training speakers are
        left out.
    bundle : Path, optional
        The run's export; by default ``bundle`` in the run folder, if it exists.
    cache : Path, optional
        Folder for computed features; by default the user's cache folder.

    Raises
    ------
    SerEdgeError
        If the run, the bundle or the data cannot be used.
    """
    run = Run.open(run_folder)
    if bundle is None and (run.folder / "bundle").is_dir():
        bundle = run.folder / "bundle"
    exported = None if bundle is None else Bundle.open(bundle)
    if exported is not None and exported.manifest.input != run.settings.input:
        raise SerEdgeError(
            f"was not exported from {run.folder}: their inputs differ",
            "export the run again",
            exported.folder,
        )
    if sources:
        test = _other_data(run, sources, cache)
        tested_on = f"Tested on {', '.join(map(str, sources))}, without training speakers"
    else:
        test = run.held_out("test")
        tested_on = f"Tested on the run's test clips, protocol {protocol_name(run.settings.about)}"

    from ser_edge_train.fit import logits

    settings = run.settings
    inputs = settings.input.network_inputs(test.features)
    outputs = logits(run.network(), inputs)
    reference = Reference(
        test, {"features": inputs}, outputs, settings.labels, settings.temperature
    )
    variants = () if exported is None else tuple(compare_variants(exported, reference))
    scores = test.predictions(outputs, settings.temperature).scores(settings.labels)
    return Evaluation(tested_on, scores, variants)


def summarise(
    folders: Sequence[str | os.PathLike[str]],
    *,
    report: Path | None = None,
    overwrite: bool = False,
) -> list[Summary]:
    """Summarise runs and cross-validations on their own test clips.

    Parameters
    ----------
    folders : sequence of path
        Written by ``ser-edge train``, with or without ``--folds``.
    report : Path, optional
        Folder for a comparison, ``report.md`` and ``report.html``.
    overwrite : bool
        Whether `report` may be replaced.

    Raises
    ------
    SerEdgeError
        If a folder has no run, or runs of several kinds.
    """
    summaries = [Summary.of(find_runs(folder)) for folder in folders]
    names = [summary.name for summary in summaries]
    if len(set(names)) < len(names):
        summaries = [
            replace(summary, name=f"{legal_text(Path(folder).name)}: {summary.name}")
            for folder, summary in zip(folders, summaries, strict=True)
        ]
    if report is not None:
        with written_beside(report, overwrite=overwrite, option="--report") as partial:
            write_report(partial, summaries)
    return summaries


def _other_data(run: Run, sources: Sequence[str | os.PathLike[str]], cache: Path | None) -> HeldOut:
    labels, about = run.settings.labels, run.settings.about
    store = FeatureStore(run.settings.recipe, cache)
    dataset = load_dataset(sources, store, calm_apart=CALM in labels)
    trained = set(about["training_speakers"]) - {""}
    kept = [
        (clip, item)
        for clip, item in zip(dataset.clips, dataset.originals, strict=True)
        if clip.label in labels and clip.speaker not in trained
    ]
    if not kept:
        raise SerEdgeError(
            "has no clip of a speaker outside the training part",
            "give other recordings",
            ", ".join(map(str, sources)),
        )
    return held_out(kept, labels)
