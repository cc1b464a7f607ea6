"""The command line as a whole: usage, help, and how it exits where something is missing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ser_edge
from ser_edge import StreamConfig
from ser_edge.choices import RECIPES
from ser_edge.cli.command_line import main
from ser_edge.cli.parser import command_parsers, parse_arguments

COMMAND = str(Path(sys.executable).with_name("ser-edge"))
COMMANDS = (
    *("predict", "listen", "adapt", "info", "verify", "doctor", "bench"),
    *("train", "evaluate", "export", "demo"),
)

SOURCE_OPTIONS = (
    ["--sample-rate", "16000"],
    ["--format", "s16"],
    ["--channels", "1"],
    ["--device", "1"],
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


def illegal_options() -> Iterator[tuple[list[str], str]]:
    """Every subcommand with each kind of illegal option, and what the error has to name."""
    for name, parser in command_parsers()[1].items():
        required = [name]
        for action in parser._actions:
            if action.required:
                required += [*action.option_strings, "x"]
                yield [name], action.option_strings[0] if action.option_strings else "required"
        yield [*required, "--colour"], "--colour"
        for action in parser._actions:
            if not action.option_strings:
                continue
            option = action.option_strings[-1]
            if action.nargs == 0:
                yield [*required, f"{option}=x"], "'x'"
                continue
            if action.nargs != "?":
                yield [*required, option], option
            if action.choices or action.type not in (None, Path):
                yield [*required, option, "n0ne"], "'n0ne'"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], "COMMAND"),
        (["dance"], "'dance'"),
        *illegal_options(),
        (["doctor", "one", "two"], "two"),
        (["verify", "one", "two"], "two"),
        (["predict", "a.wav", "--threads", "0"], "value=0"),
        (["predict", "a.wav", "--hop", "0"], "value=0"),
        (["predict", "a.wav", "--hop", "nan"], "value=nan"),
        (["predict", "a.wav", "--hop", "1"], "--segments"),
        (["predict", "a.wav", "--overwrite"], "--segments"),
        (["predict", "a.wav", "--segments", "--overwrite"], "--plot"),
        (["predict", "a.wav", "b.wav", "--segments"], "2"),
        (["predict", "a.wav", "--json", "--segments"], "--json"),
        (["listen", "--threshold", "2"], "value=2"),
        (["listen", "--devices", "--stdin"], "--stdin"),
        (["listen", "--devices", "a.wav"], "FILE"),
        (["listen", "a.wav", "--stdin", "--sample-rate", "16000"], "--stdin"),
        *((["listen", "a.wav", *words], words[0]) for words in SOURCE_OPTIONS),
        *((["listen", *words], words[0]) for words in (["--format", "s16"], ["--channels", "1"])),
        (["listen", "--realtime"], "--realtime"),
        (["listen", "--stdin", "--sample-rate", "16000", "--device", "1"], "--device"),
        (["bench", "--seconds", "-1"], "-1"),
        (["bench", "--warmup-s", "nan"], "nan"),
        (["bench", "--max-slowdown", "2"], "--baseline"),
        (["train", "data", "--fold", "-1"], "value=-1"),
        (["train", "data", "--fold", "0", "--folds", "all"], "--folds"),
        (["train", "data", "--fold", "1", "--folds", "all"], "--folds"),
        (["train", "data", "--folds", "0,x"], "'x'"),
        (["train", "data", "--jobs", "0"], "value=0"),
        (["train", "data", "--jobs", "-2"], "-2"),
        (["train", "data", "--protocol", "corpus"], "--test-corpus"),
        (["train", "data", "--test-corpus", "tess"], "--protocol"),
        (["train", "data", "--protocol", "clip", "--train-speakers", "3"], "train_speakers=3"),
        (["train", "data", "--recipe", "seed", "--retrain"], "--retrain"),
        (["evaluate", "run", "--overwrite"], "--report"),
        (["evaluate", "run", "--cache", "x"], "--data"),
        (["evaluate", "one", "two", "--data", "x"], "--report"),
        (["export", "run", "--max-uar-loss", "101"], "value=101"),
        (["export", "run", "--recipe", "edge"], "--recipe"),
        (["export", "run", "--cache", "x"], "--cache"),
        (["export", "run", "--uint8"], "--uint8"),
        (["export", "run", "--int8", "--format", "tflite", "--reduce-range"], "--reduce-range"),
        (["export", "run", "--qat"], "--qat"),
        (["export", "run", "--int8", "--precision", "float32"], "--int8"),
        (["export", "run", "--all", "--format", "onnx"], "--format"),
        (["export", "run", "--batch", "--format", "tflite"], "--batch"),
        (["export", "run", "--audio", "--format", "npz"], "--audio"),
        (["export", "a.onnx", "--licence", "MIT"], "--licence"),
        # Commands, options and values that were misspelt.
        (["--versoin"], "`ser-edge` has no option --versoin; did you mean --version?"),
        (["listen", "--recipe", "x"], "no option --recipe; see `ser-edge listen --help`"),
        (["predcit", "a.wav"], "'predcit' (did you mean predict?)"),
        (["predict", "a.wav", "--bundel", "x"], "no option --bundel; did you mean --bundle?"),
        (["predict", "--segmets"], "no option --segmets; did you mean --segments?"),
        (["predict", "a.wav", "--segmets=csv"], "no option --segmets; did you mean --segments?"),
        (["predict", "a.wav", "-json"], "no option -json; did you mean --json?"),
        (["train", "data", "--recipe", "egde"], "'egde' (did you mean edge?)"),
        (["predict", "a.wav", "--backend", "numpy"], "choose from litert, tflite, onnx, numeric"),
        (["info", "--bundle", "x"], "no option --bundle; give BUNDLE without --bundle"),
        (["verify", "a\x1b[2J", "b\nser-edge: all ok"], "b\\nser-edge: all ok"),
    ],
    ids=str,
)
def test_wrong_usage_is_one_sentence_and_exits_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    named: str,
) -> None:
    if words and words[0] in ("train", "evaluate", "export", "demo"):
        pytest.importorskip("ser_edge_export.command")
    monkeypatch.chdir(tmp_path)
    try:
        status: object = main(words)
    except SystemExit as caught:
        status = caught.code
    out, err = capfd.readouterr()
    assert (status, out) == (2, "")
    assert err.startswith("ser-edge: ")
    assert err.count("\n") == 1
    assert named in err
    assert not list(tmp_path.iterdir())


def test_what_looks_like_an_option_may_be_a_value() -> None:
    """Prefixes of options, negative numbers, a dash alone, and all words after two dashes."""
    assert parse_arguments(["predict", "a.wav", "--backen", "onnx"]).backend == "onnx"
    assert parse_arguments(["bench", "--json", "-"]).json == "-"
    assert parse_arguments(["predict", "--json", "--", "--bundel"]).clips == ["--bundel"]


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
