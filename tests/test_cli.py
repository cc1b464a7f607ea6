"""The command line as a whole: usage, help, and how it exits where something is missing."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ser_edge
from ser_edge import StreamConfig
from ser_edge.choices import RECIPES
from ser_edge.cli.command_line import main
from ser_edge.cli.parser import parse_arguments

COMMAND = str(Path(sys.executable).with_name("ser-edge"))
COMMANDS = (
    *("predict", "listen", "adapt", "info", "verify", "doctor", "bench"),
    *("train", "evaluate", "export", "demo"),
)

Fresh = Callable[..., subprocess.CompletedProcess[str]]


def test_the_version() -> None:
    done = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"ser-edge {ser_edge.__version__}\n")


@pytest.mark.parametrize(
    "words",
    [["--help"], *([command, "--help"] for command in COMMANDS), ["--version"], ["predict"]],
)
def test_help_loads_nothing_heavy(fresh: Fresh, words: list[str]) -> None:
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from ser_edge.cli.command_line import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "loaded = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(loaded - sys.stdlib_module_names), file=sys.stderr)"
    )
    assert fresh(code, *words).stderr.splitlines()[-1] == "ser_edge"


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "ser_edge", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"ser-edge {ser_edge.__version__}\n")


def test_help_names_every_command(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    lines = capfd.readouterr().out.splitlines()
    assert tuple(line.split()[0] for line in lines if line.startswith("    ")) == COMMANDS


def test_defaults_and_choices_are_those_of_the_code() -> None:
    train = pytest.importorskip("ser_edge_train.train_options").TrainOptions()
    arguments = parse_arguments(["train", "data"])
    assert (arguments.recipe, arguments.protocol) == (train.recipe, train.protocol)
    assert train.recipe in RECIPES
    listen = parse_arguments(["listen"])
    config = StreamConfig(threshold=listen.threshold)
    assert config == StreamConfig()


def test_help_names_the_backends(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "--backend {litert,tflite,onnx,numeric}" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["dance"], "invalid choice: 'dance'"),
        (["predict"], "the following arguments are required: CLIP"),
        (["predict", "a.wav", "--backend", "torch"], "invalid choice: 'torch'"),
        (["predict", "a.wav", "--precision", "int4"], "invalid choice: 'int4'"),
        (["predict", "a.wav", "--threads", "0"], "argument --threads: '0'"),
        (["predict", "a.wav", "--threads", "two"], "argument --threads: 'two'"),
        (["predict", "a.wav", "--hop", "0"], "argument --hop: '0'"),
        (["listen", "--threshold", "2"], "argument --threshold: '2'"),
        (["train", "data", "--fold", "-1"], "argument --fold: '-1'"),
        (["train", "data", "--folds", "0,x"], "argument --folds: 'x'"),
        (["export", "run", "--max-uar-loss", "101"], "argument --max-uar-loss: '101'"),
        (["doctor", "litert"], "unrecognized arguments: litert"),
        (["verify", "one", "two"], "unrecognized arguments: two"),
        (["info", "--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_wrong_usage_exits_with_2(
    capfd: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("usage: ser-edge")
    assert message in err


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        (["train", "data"], "ser_edge_train.command", "train"),
        (["evaluate", "run"], "ser_edge_train.command", "train"),
        (["export", "run", "--int8"], "ser_edge_export.command", "export"),
        (["demo"], "ser_edge_export.demo", "export"),
    ],
)
def test_missing_extras_are_named(
    tmp_path: Path, fresh: Fresh, words: list[str], missing: str, extra: str
) -> None:
    folder = tmp_path.joinpath(*missing.split(".")[:1])
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / f"{missing.split('.')[1]}.py").write_text("import keras_that_is_missing.layers")
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from ser_edge.cli.command_line import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    done = fresh(code, tmp_path, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"ser-edge: `ser-edge {words[0]}` needs keras_that_is_missing, which is not installed; "
        f"pip install 'ser-edge[{extra}]'\n"
    )


def test_a_defect_of_ours_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ser_edge_train.command", None)
    with pytest.raises(ModuleNotFoundError):
        main(["train", "data"])


@pytest.mark.parametrize(
    ("words", "rest"),
    [
        (["predict", "clip.wav"], "; what was not printed is not done"),
        (["adapt", "clip.wav", "--out", "p"], "; no profile was written"),
        (["train", "data"], "; run the same command again to continue"),
        (["export", "run"], "; no bundle was written"),
        (["listen"], ""),
    ],
)
def test_an_interruption(
    words: list[str],
    rest: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"ser_edge.cli.{words[0]}.run", interrupt)
    assert main(words) == 130
    assert capfd.readouterr() == ("", f"ser-edge: interrupted{rest}\n")
