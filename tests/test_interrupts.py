"""Ctrl-C that a library cannot swallow."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

import pytest

from ser_edge_train.interrupts import certain_interrupt, check_interrupt, deferred_interrupt


@pytest.fixture(autouse=True)
def _default_handler() -> Iterator[None]:
    """Whatever started the tests may ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def swallow() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        press()


def defer() -> None:
    with deferred_interrupt():
        press()


def defer_until_checked() -> None:
    with deferred_interrupt():
        press()
        check_interrupt()
        pytest.fail("the check did not raise")


def press_twice() -> None:
    with deferred_interrupt():
        press()
        press()
        pytest.fail("the second one was deferred")


def steps_until_interrupt(*steps: Callable[[], None]) -> int:
    """Return the number of steps that ended before the interrupt came."""
    done = 0
    with contextlib.suppress(KeyboardInterrupt), certain_interrupt():
        for step in steps:
            step()
            done += 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    check_interrupt()  # it is forgotten
    return done


@pytest.mark.parametrize(
    ("steps", "done"),
    [
        ([press], 0),
        ([check_interrupt, press], 1),
        ([swallow, check_interrupt, check_interrupt], 1),
        ([swallow, swallow], 2),
        ([defer], 0),
        ([defer_until_checked], 0),
        ([press_twice], 0),
    ],
)
def test_an_interrupt_comes(steps: list[Callable[[], None]], done: int) -> None:
    assert steps_until_interrupt(*steps) == done


def test_an_interrupt_that_is_never_checked_comes_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt), certain_interrupt():
        swallow()


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_another_handler_stays(handler: signal.Handlers) -> None:
    signal.signal(signal.SIGINT, handler)
    with certain_interrupt(), deferred_interrupt():
        press()
        check_interrupt()
        assert signal.getsignal(signal.SIGINT) is handler
