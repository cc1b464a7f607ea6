"""Run every reader on mutated files.

Each file must be read, or refused with one of our errors, within 10 s of CPU time and the memory
that its size allows. Interpreters get model files whose digest is in the manifest; their failures
are counted, but are no defects of ours.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from .campaign import Tally, defect, run
from .targets import NAMES, target
from .worker import Worker


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="files of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--what", nargs="+", choices=NAMES, default=NAMES, help="by default all")
    parser.add_argument(
        "--keep", type=Path, default=Path("build/fuzz"), metavar="DIR", help="for failing files"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read only this file")
    arguments = parser.parse_args()
    found = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name in arguments.what:
            if arguments.replay:
                found += _replay(name, arguments.replay, Path(scratch))
                continue
            tally = Tally()
            chosen = target(name, Path(scratch))
            try:
                with tqdm(total=arguments.count, desc=name, leave=False) as bar:
                    run(
                        chosen,
                        arguments.count,
                        arguments.seed,
                        tally=tally,
                        keep=arguments.keep,
                        advance=bar.update,
                    )
            except KeyboardInterrupt:
                _report(name, arguments.seed, tally)
                return 130
            _report(name, arguments.seed, tally)
            found += len(tally.defects)
    return 1 if found else 0


def _replay(name: str, file: Path, scratch: Path) -> int:
    chosen, data = target(name, scratch), file.read_bytes()
    with closing(Worker(chosen.read, chosen.good)) as worker:
        outcome = worker(data)
    found = defect(chosen, data, outcome)
    print(outcome, found or "no defect", sep="\n")
    return bool(found)


def _report(name: str, seed: int, tally: Tally) -> None:
    total = tally.outcomes.total()
    print(f"{name}: {total} files from seed {seed}")
    for kind, times in tally.outcomes.most_common():
        print(f"  {times:7d}  {times / total:6.1%}  {kind}")
    print(
        f"  slowest {tally.seconds:.3f} s, peak memory {tally.allocated / 2**20:.1f} MiB, "
        f"up to {tally.share:.0%} of the memory allowed"
    )
    for line in tally.defects:
        print(f"  DEFECT {line}")


if __name__ == "__main__":
    raise SystemExit(main())
