"""Cross-validation: a run for each fold and seed, together whole or to be gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Trained

from ser_edge import SerEdgeError
from ser_edge.cli.command_line import main
from ser_edge_train import crossval
from ser_edge_train.crossval import cross_validate, find_runs
from ser_edge_train.evaluate import summarise
from ser_edge_train.run import Run
from ser_edge_train.summary import Summary
from ser_edge_train.train import train_on

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def folder(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("crossval") / "edge"
    options = replace(trained.options, epochs=1, members=2)
    cross_validate(
        [trained.corpus], out, options, folds=[0, 1], seeds=2, cache=trained.cache, jobs=1
    )
    return out


def test_there_is_a_run_for_each_fold_and_seed(folder: Path) -> None:
    names = ["fold0-seed0", "fold0-seed1", "fold1-seed0", "fold1-seed1"]
    runs = find_runs(folder)
    assert [run.folder.name for run in runs] == names
    splits = [(run.folder / "split.csv").read_text("utf-8") for run in runs]
    assert splits[0] != splits[2]
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        "abstaining.png",
        "calibration.png",
        "confusion_matrix.png",
        "metrics.json",
        "report.html",
        "report.md",
        "speakers.png",
    ]


def test_nobody_who_is_tested_was_trained_on(folder: Path) -> None:
    for run in find_runs(folder):
        heard = set(run.settings.about["training_speakers"])
        assert not heard & set(run.answers("test").speakers)
        assert not heard & set(run.answers("validation").speakers)


def test_members_are_averaged_in_one_network(folder: Path, trained: Trained) -> None:
    run, one = find_runs(folder)[0], trained.run.network()
    network = run.network()
    stems = [layer for layer in network.layers if layer.name.startswith("member1_")]
    assert len(stems) == len(one.layers) - 2  # input and logits are shared
    assert run.settings.about["parameters"] == network.count_params()
    assert run.settings.about["parameters"] > 1.9 * one.count_params()


def test_the_summary_is_of_all_runs(folder: Path) -> None:
    summary = Summary.of(find_runs(folder))
    figures = json.loads((folder / "metrics.json").read_text("utf-8"))
    assert figures == json.loads(json.dumps(summary.to_dict()))
    assert (figures["folds"], figures["seeds"]) == (2, 2)
    each = [run.settings.about["metrics"]["all"]["uar"] for run in find_runs(folder)]
    assert figures["uar"] == pytest.approx(np.mean(each))
    assert figures["uar_sd_seeds"] == pytest.approx(
        np.std([(each[0] + each[2]) / 2, (each[1] + each[3]) / 2], ddof=1)
    )
    whole = figures["scores"]["all"]
    assert whole["n_clips"] == sum(len(run.answers().y_true) for run in find_runs(folder))
    assert figures["abstaining"][0]["risk"] == pytest.approx(1 - whole["wa"])


def test_the_page_refers_to_nothing_outside(folder: Path) -> None:
    page = (folder / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert 'src="' not in page.replace('src="data:', "")
    assert "<table>" in page
    assert "<title>edge, speaker</title>" in page


def test_an_interrupted_cross_validation_goes_on(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_now: list[object] = []

    def interrupted(*arguments: object) -> Run:
        trained_now.append(arguments[3])
        if len(trained_now) == 2:
            raise KeyboardInterrupt
        return train_on(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(crossval, "train_on", interrupted)
    options = replace(trained.options, epochs=1)

    def run() -> list[Run]:
        return cross_validate(
            [trained.corpus],
            tmp_path / "edge",
            options,
            folds=[0, 1],
            cache=trained.cache,
            jobs=1,
        )

    with pytest.raises(KeyboardInterrupt):
        run()
    assert not (tmp_path / "edge").exists()
    assert len(run()) == 2
    assert [Path(str(path)).name for path in trained_now] == [
        "fold0-seed0",
        "fold1-seed0",
        "fold1-seed0",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["edge"]
    report = (tmp_path / "edge" / "report.md").read_text("utf-8")
    assert "protocol **speaker, 2 folds, 1 seed**" in report
    assert "parameters, 1 epoch.\n" in report


def test_runs_are_compared(
    folder: Path, trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(folder), str(trained.run.folder), "--report", str(tmp_path / "page")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert f"{folder.name}: edge, speaker" in told
    assert "2 x 2" in told
    page = (tmp_path / "page" / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 10
    assert main(words) == 1
    assert "exists already; choose another --report" in capsys.readouterr().err
    assert main(["evaluate", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["folds"] == 2
    assert main([*words[:2], str(trained.run.folder), "--data", str(trained.corpus)]) == 1
    assert "--data and --bundle go with one run" in capsys.readouterr().err


def test_what_cannot_be_summed_up(folder: Path, trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(SerEdgeError, match=r"holds no run\.json"):
        summarise([tmp_path])
    clip = cross_validate(
        [trained.corpus],
        tmp_path / "clip",
        replace(trained.options, epochs=1, protocol="clip"),
        folds=[0],
        cache=trained.cache,
        jobs=1,
    )
    with pytest.raises(SerEdgeError, match="runs that cannot be summed up"):
        Summary.of([*clip, *find_runs(folder)])
