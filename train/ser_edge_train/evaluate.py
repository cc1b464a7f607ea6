"""`ser-edge evaluate`: a run's figures and its exported forms', or several runs side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ser_edge.bundle import Bundle
from ser_edge.errors import SerEdgeError
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
    """What `evaluate` found.

    Parameters
    ----------
    tested_on : str
        Protocol or data, for people.
    keras : dict of str to Scores
        The float32 Keras model, over all clips and by corpus.
    forms : tuple of VariantResult
        Each exported form in each interpreter.
    """

    tested_on: str
    keras: dict[str, Scores]
    forms: tuple[VariantResult, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        text = f"{self.tested_on}\n\nKeras, float32:\n\n{score_table(self.keras)}\n"
        if not self.forms:
            return text
        return (
            f"{text}\nExported forms, against Keras:\n\n{variant_table(self.forms, latency=True)}\n"
        )


def evaluate(
    run_folder: str | os.PathLike[str],
    sources: Sequence[str | os.PathLike[str]] = (),
    *,
    bundle: Path | None = None,
    cache: Path | None = None,
) -> Evaluation:
    """Measure a run and its bundle.

    Parameters
    ----------
    run_folder : path
        What ``ser-edge train`` wrote.
    sources : sequence of path
        Labelled speech to test on instead of the run's test clips; clips of speakers that the
        network was trained on are left out.
    bundle : Path, optional
        The run's export; by default ``bundle`` in the run folder, if there is one.
    cache : Path, optional
        Folder for computed features, instead of the user's cache folder.

    Returns
    -------
    evaluation : Evaluation

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
            f"{exported.folder}: was not exported from {run.folder}, their inputs differ; export "
            "the run again"
        )
    if sources:
        test = _other_data(run, sources, cache)
        tested_on = f"Tested on {', '.join(map(str, sources))}, speakers not trained on"
    else:
        test = run.held_out("test")
        tested_on = (
            f"Tested on the run's own test clips, protocol {protocol_name(run.settings.about)}"
        )

    from ser_edge_train.fit import logits

    settings = run.settings
    inputs = settings.input.network_inputs(test.features)
    said = logits(run.network(), inputs)
    reference = Reference(test, {"features": inputs}, said, settings.labels, settings.temperature)
    forms = () if exported is None else tuple(compare_variants(exported, reference))
    scores = test.answers(said, settings.temperature).scores(settings.labels)
    return Evaluation(tested_on, scores, forms)


def summarise(
    folders: Sequence[str | os.PathLike[str]],
    *,
    report: Path | None = None,
    overwrite: bool = False,
) -> list[Summary]:
    """Sum up runs and cross-validations on their own test clips.

    Parameters
    ----------
    folders : sequence of path
        What ``ser-edge train`` wrote, with ``--folds`` or without.
    report : Path, optional
        Folder to write ``report.md`` and ``report.html`` into, which compare them.
    overwrite : bool
        Whether `report` may be replaced.

    Returns
    -------
    summaries : list of Summary
        One for each folder; where two have the same recipe and protocol, by the folder's name.

    Raises
    ------
    SerEdgeError
        If a folder holds no run, or runs that cannot be summed up.
    """
    summaries = [Summary.of(find_runs(folder)) for folder in folders]
    names = [summary.name for summary in summaries]
    if len(set(names)) < len(names):
        summaries = [
            replace(summary, name=f"{Path(folder).name}: {summary.name}")
            for folder, summary in zip(folders, summaries, strict=True)
        ]
    if report is not None:
        with written_beside(report, overwrite=overwrite, option="--report") as partial:
            write_report(partial, summaries)
    return summaries


def _other_data(run: Run, sources: Sequence[str | os.PathLike[str]], cache: Path | None) -> HeldOut:
    store = FeatureStore(run.settings.recipe)
    if cache is not None:
        store = FeatureStore(run.settings.recipe, cache)
    labels = run.settings.labels
    material = load_dataset(sources, store, calm_apart=CALM in labels)
    heard = set(run.settings.about["training_speakers"])
    kept = [
        (clip, item)
        for clip, item in zip(material.clips, material.originals, strict=True)
        if clip.label in labels and (not clip.speaker or clip.speaker not in heard)
    ]
    if not kept:
        raise SerEdgeError(
            f"{', '.join(map(str, sources))}: holds no clip of a speaker that the network was not "
            "trained on; name other recordings"
        )
    return held_out(kept, labels)
