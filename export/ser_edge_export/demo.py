"""`ser-edge demo`: synthesise a corpus, train, export and predict."""

from __future__ import annotations

import csv
import time
from pathlib import Path

from rich.console import Console

from ser_edge.classifier import Classifier
from ser_edge.terminal import printable
from ser_edge_export.acceptance import AcceptanceCriteria
from ser_edge_export.export import export
from ser_edge_export.run_model import trained_model_of_run
from ser_edge_export.variants import chosen_variants
from ser_edge_train.demo_corpus import write_demo_corpus
from ser_edge_train.metrics import Scores
from ser_edge_train.progress import progress_bar
from ser_edge_train.run import Run
from ser_edge_train.tables import score_table
from ser_edge_train.train import TrainOptions, train

_OPTIONS = TrainOptions(epochs=40, augmentations=1, ensemble=1, retrain=False, licence="synthetic")
# One of its 164 test clips is 0.6 %, and 0.6 points of UAR.
_CRITERIA = AcceptanceCriteria(min_agreement=0.95, max_uar_loss=0.04)
_SHOWN = 6


def demo(folder: Path) -> None:
    """Make the demo corpus, train the edge recipe briefly, export it to int8, and predict.

    Parameters
    ----------
    folder : Path
        Folder for ``corpus``, ``cache`` and ``run``; an existing corpus is used again.

    Raises
    ------
    SerEdgeError
        If the folder cannot be used.
    """
    started = time.monotonic()
    show = Console(stderr=True, highlight=False).print
    corpus, run_folder = folder / "corpus", folder / "run"
    show("[bold]1  corpus[/]   synthetic speech of 18 speakers, named as in four corpora")
    if not corpus.exists():
        with progress_bar() as bar:
            task = bar.add_task("synthesis", total=None)
            write_demo_corpus(
                corpus, progress=lambda done, n: bar.update(task, completed=done, total=n)
            )
    show("[bold]2  train[/]    the edge recipe, briefly; some speakers are held out for the test")
    run = train([corpus], run_folder, _OPTIONS, cache=folder / "cache", overwrite=True)
    show("[bold]3  export[/]   float32 and int8, TFLite, ONNX and NumPy")
    exported = export(
        trained_model_of_run(run_folder),
        run_folder / "bundle",
        chosen_variants(int8=True),
        criteria=_CRITERIA,
    )
    show("[bold]4  predict[/]  clips of test speakers, by the int8 model")
    scores = {name: Scores(**values) for name, values in run.settings.about["metrics"].items()}
    print(f"\nOn test speakers, float32 Keras model:\n\n{score_table(scores)}\n\n{exported}\n")
    _predict(run, exported.folder)
    print(
        f"""
corpus   {printable(corpus)}
run      {printable(run_folder)}  (report.md, confusion_matrix.png, learning_curves.png, split.csv)
bundle   {printable(exported.folder)}  (copy this to the device)

The corpus is synthetic: the figures show that the toolkit works, not how well it does on people.
Done in {time.monotonic() - started:.0f} s."""
    )


def _predict(run: Run, bundle: Path) -> None:
    from ser_edge_train.keras_backend import quiet_stderr

    path = run.folder / "split.csv"
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        test = [row for row in csv.DictReader(file) if row["part"] == "test"]
    with quiet_stderr():
        classifier = Classifier.load(bundle, precision="int8")
    for row in test[:: max(1, len(test) // _SHOWN)][:_SHOWN]:
        prediction = classifier.predict(row["path"])
        predicted = prediction.label or prediction.state
        milliseconds = sum(prediction.timings_ms.values())
        print(
            f"{Path(row['path']).name:<28} label {row['label']:<9} predicted {predicted:<9} "
            f"{prediction.probability:4.0%}  {milliseconds:5.1f} ms"
        )
