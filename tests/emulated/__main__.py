"""Test the runtime on emulated devices: PYTHONPATH=tests python -m emulated [DEVICE ...]

Builds or reuses a device's files, installs the wheel there without internet, runs ``ser-edge
verify`` and ``predict``, compares features and probabilities with this machine's on golden and real
clips, measures the cost of a prediction, and runs the runtime's tests.
"""

from __future__ import annotations

import argparse
import sys

from emulated.devices import DEVICES
from emulated.examination import Examination
from emulated.roots import ImpossibleError
from emulated.suite import COMPUTING, REST


def main() -> int:
    """Run the command; return 1 if anything fails."""
    parser = argparse.ArgumentParser(prog="emulated", description=__doc__.partition(":")[0])
    parser.add_argument("devices", nargs="*", metavar="DEVICE", help=", ".join(DEVICES))
    parser.add_argument(
        "--if-possible", action="store_true", help="skip devices that this machine cannot emulate"
    )
    parser.add_argument(
        "--all-tests",
        action="store_true",
        help="also the tests of files and commands, and all on trixie",
    )
    arguments = parser.parse_args()
    names = arguments.devices or list(DEVICES)
    if unknown := set(names) - set(DEVICES):
        parser.error(f"unknown device {', '.join(sorted(unknown))}; known: {', '.join(DEVICES)}")
    failed = False
    for name in names:
        try:
            examination = Examination(name, DEVICES[name])
            first = DEVICES[name].suite == "bookworm"
            tests = COMPUTING + REST if arguments.all_tests else COMPUTING * first
            examination.run(tests)
        except ImpossibleError as error:
            print(
                f"{name}: {'SKIPPED' if arguments.if_possible else 'FAILED'}, {error}", flush=True
            )
            failed |= not arguments.if_possible
        else:
            failed |= bool(examination.failures)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
