"""The command `ser-edge`: runs a subcommand, prints errors, returns the exit status."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from ser_edge.cli.parser import parse_arguments
from ser_edge.cli.stderr import PrintableFormatter, print_error
from ser_edge.errors import ConfigError, SerEdgeError

# What is true of a command that was interrupted.
_INTERRUPTED = {
    "predict": "what was not printed is not done",
    "adapt": "no profile was written",
    "verify": "the bundle was not checked to the end",
    "train": "run the same command again to continue",
    "evaluate": "nothing was written",
    "export": "no bundle was written",
    "demo": "run the same command again to continue",
}

# Our settings of Matplotlib and Keras. Those of a notebook, matplotlibrc or keras.json (number
# format, order of axes), may end a training at its last plot, or change the network.
_ENVIRONMENT = {
    "MPLBACKEND": "agg",
    "MATPLOTLIBRC": os.devnull,
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": os.devnull,
    "KERAS_MAX_EPOCHS": "0",  # no limit
    "KERAS_MAX_STEPS_PER_EPOCH": "0",
}


def entry_point() -> NoReturn:
    """Run the process's command line and exit."""
    os.environ |= _ENVIRONMENT
    sys.exit(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    status : int
        0 on success, 1 on failure, 2 on wrong usage, 130 after an interrupt, 141 if the reader of
        stdout went away.

    Raises
    ------
    SystemExit
        With status 2 if argparse refuses the arguments, with 0 after ``--help``.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names need not be legal text
        sys.stdout.reconfigure(errors="backslashreplace")
    arguments = parse_arguments(argv)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PrintableFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    try:
        status: int = arguments.run(arguments)
        print(end="", flush=True)
        return status
    except SerEdgeError as error:
        print_error(error)
        return 2 if isinstance(error, ConfigError) else 1
    except ModuleNotFoundError as error:
        # A missing module of our own is a defect, which shows its traceback.
        if error.name is None or error.name.startswith("ser_edge") or not arguments.extra:
            raise
        problem = f"`ser-edge {arguments.command}` needs {error.name}, which is not installed"
        print_error(SerEdgeError(problem, f"pip install 'ser-edge[{arguments.extra}]'"))
        return 1
    except KeyboardInterrupt:
        print_error(SerEdgeError("interrupted", _INTERRUPTED.get(arguments.command, "")))
        return 130
    except BrokenPipeError:
        # What is still buffered must not fail again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        problem = f"cannot be used ({error.strerror or error})"
        remedy = "choose a place that can be written, on a disk with free space"
        print_error(SerEdgeError(problem, remedy, error.filename or arguments.command))
        return 1


if __name__ == "__main__":
    entry_point()
