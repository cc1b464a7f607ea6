"""The entry points of `ser-edge train` and `ser-edge evaluate`.

Each imports its modules itself: reading a run needs no TensorFlow.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ser_edge.errors import ConfigError
from ser_edge.terminal import printable


def train_command(arguments: argparse.Namespace) -> None:
    """Run `ser-edge train` with the options that `ser_edge.cli.parser` parsed.

    Raises
    ------
    SerEdgeError
        See `train` and `cross_validate`.
    """
    from ser_edge_train.clips import legal_text
    from ser_edge_train.train import TrainOptions, train

    options = TrainOptions(
        recipe=arguments.recipe,
        protocol=arguments.protocol,
        fold=arguments.fold or 0,
        test_corpus=arguments.test_corpus and legal_text(arguments.test_corpus),
        train_speakers=arguments.train_speakers,
        epochs=arguments.epochs,
        augmentations=arguments.augmentations,
        ensemble=arguments.ensemble,
        retrain=arguments.retrain,
        seed=arguments.seed,
        calm_apart=arguments.calm,
        keep_going=arguments.keep_going,
        licence=arguments.licence and legal_text(arguments.licence),
    )
    out = arguments.out or Path("runs", f"{arguments.recipe}-{arguments.protocol}")
    how: dict[str, Any] = {
        "cache": arguments.cache,
        "jobs": arguments.jobs,
        "overwrite": arguments.overwrite,
    }
    if arguments.folds is None and arguments.seeds == 1:
        train(arguments.data, out, options, **how)
        hint = f"next: ser-edge export {out} --int8"
    else:
        from ser_edge_train.crossval import cross_validate

        folds = arguments.folds or [options.fold]
        chosen = None if folds == ["all"] else folds
        cross_validate(arguments.data, out, options, folds=chosen, seeds=arguments.seeds, **how)
        hint = f"to compare it with other runs: ser-edge evaluate {out} ... --report DIR"
    if arguments.json:
        metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
        print(json.dumps({"run": str(out), "metrics": metrics}))
        return
    _print_markdown((out / "report.md").read_text(encoding="utf-8").partition("## Recall")[0])
    print(f"{printable(out)}: the full report is report.html; {printable(hint)}")


def evaluate_command(arguments: argparse.Namespace) -> None:
    """Run `ser-edge evaluate` with the options that `ser_edge.cli.parser` parsed.

    Raises
    ------
    ConfigError
        If the options exclude each other.
    SerEdgeError
        If runs or recordings cannot be used.
    """
    from ser_edge_train.evaluate import evaluate, summarise
    from ser_edge_train.report import comparison_table

    folders = arguments.runs
    for option, given, needed, other in (
        ("--overwrite", arguments.overwrite, "--report", arguments.report),
        ("--cache", arguments.cache, "--data", arguments.data),
    ):
        if given and not other:
            raise ConfigError(f"{option} has no effect without {needed}", f"add {needed} DIR")
    single = len(folders) == 1 and not arguments.report and Path(folders[0], "run.json").is_file()
    if single or arguments.data or arguments.bundle:
        if len(folders) > 1 or arguments.report:
            raise ConfigError(
                "--data and --bundle expect one run and no --report", "evaluate the runs one by one"
            )
        result = evaluate(
            folders[0], arguments.data, bundle=arguments.bundle, cache=arguments.cache
        )
        if arguments.json:
            print(json.dumps(result.to_dict()))
        else:
            _print_markdown(str(result))
        return
    summaries = summarise(folders, report=arguments.report, overwrite=arguments.overwrite)
    if arguments.json:
        print(json.dumps([summary.to_dict() for summary in summaries]))
        return
    _print_markdown(comparison_table(summaries))
    if arguments.report:
        print(f"\n{printable(arguments.report)}: report.html has the plots")


def _print_markdown(text: str) -> None:
    """Print Markdown as headings, lists and tables for people; tables are not folded."""
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(highlight=False)
    rows = (len(line) for line in text.splitlines() if line.startswith("|"))
    console.width = max([console.width, *rows])
    console.print(Markdown(text))
