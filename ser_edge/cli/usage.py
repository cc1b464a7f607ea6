"""Wrong usage of the command line, reported in one line with what was probably meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from ser_edge.cli.stderr import print_error
from ser_edge.errors import ConfigError

_OPTION = re.compile(r"(--?[A-Za-z][^\s=]*)(=.*)?", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line on stderr; then it exits with status 2."""

    def error(self, message: str) -> NoReturn:
        """Report wrong usage."""
        self._refuse(message)

    def check_options(self, words: Sequence[str]) -> None:
        """Report the first option that this command does not have.

        argparse would report missing arguments first, and all unknown options of a command as those
        of the whole program.
        """
        options = self._option_string_actions
        for word in words:
            if word == "--":
                return
            match = _OPTION.fullmatch(word)
            if match and not any(option.startswith(match[1]) for option in options):
                self._refuse(f"`{self.prog}` has no option {match[1]}", self._meant(match[1]))

    def _meant(self, option: str) -> str:
        for action in self._actions:
            if not action.option_strings and action.dest == option.lstrip("-"):
                return f"give {action.metavar} without {option}"
        names = {name.lstrip("-"): name for name in self._option_string_actions}
        return _did_you_mean(option.lstrip("-"), names)

    def _refuse(self, problem: str, remedy: str = "") -> NoReturn:
        print_error(ConfigError(problem, remedy or f"see `{self.prog} --help`"))
        self.exit(2)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = {str(choice): str(choice) for choice in action.choices}
            hint = _did_you_mean(str(value), choices) or f"choose from {', '.join(choices)}"
            raise argparse.ArgumentError(action, f"invalid choice: {value!r} ({hint})")


def _did_you_mean(word: str, known: dict[str, str]) -> str:
    """Return a question with the spelling of the most similar known word; empty if none is."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean {known[close[0]]}?" if close else ""
