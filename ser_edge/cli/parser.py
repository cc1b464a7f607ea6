"""The parser of the command `ser-edge`, put together from the subcommands' options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ser_edge import __version__
from ser_edge.cli import (
    adapt,
    bench,
    demo,
    doctor,
    evaluate,
    export,
    info,
    listen,
    predict,
    train,
    verify,
)
from ser_edge.cli.usage import Parser

# Module, one line of help, and the extra whose packages it may need beside the runtime.
_COMMANDS = {
    "predict": (predict, "Predict the emotion in recordings.", "plot"),
    "listen": (listen, "Predict emotions live, from a microphone, a pipe or a file.", "mic"),
    "adapt": (adapt, "Adapt to a speaker, from recordings without labels.", None),
    "info": (info, "Show what a bundle contains, and check its files.", None),
    "verify": (verify, "Check that a bundle gives the exported results on this machine.", None),
    "doctor": (doctor, "Show which interpreters run a bundle on this machine.", None),
    "bench": (bench, "Measure a bundle's speed, size and memory on this machine.", "plot"),
    "train": (train, "Train a network on folders of labelled speech.", "train"),
    "evaluate": (evaluate, "Evaluate a trained network, or compare several.", "train"),
    "export": (export, "Export a trained network as a bundle for devices.", "export"),
    "demo": (demo, "Synthesise a corpus, train, export and predict, in minutes.", "export"),
}


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line, or exit with status 2.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    arguments : argparse.Namespace
        The subcommand's options, and its ``command`` (name), ``run`` and ``extra``.
    """
    parser, commands = command_parsers()
    words = sys.argv[1:] if argv is None else list(argv)
    parser.check_options(words[:1])
    if words and words[0] in commands:
        commands[words[0]].check_options(words[1:])
    arguments, more = parser.parse_known_args(words)
    if more:
        commands[arguments.command].error(f"unrecognized arguments: {' '.join(more)}")
    return arguments


def command_parsers() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the command, and those of its subcommands."""
    parser = Parser(
        prog="ser-edge",
        description="Speech emotion recognition for devices.",
        epilog="`ser-edge COMMAND --help` shows the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"ser-edge {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, text, extra) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        module.add_options(command)
        command.set_defaults(run=module.run, extra=extra)
    return parser, dict(commands.choices)
