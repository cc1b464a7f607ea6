"""Read many files of one kind in a worker; keep the smallest file of each defect."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Flaky

from .targets import Target
from .worker import Outcome, Worker

MAX_SECONDS = 10.0
"""CPU time allowed for a file [s]."""
_BATCH = 1000  # hypothesis keeps every file of a batch in memory


@dataclass
class Tally:
    """Statistics of a campaign."""

    outcomes: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)
    allocated: int = 0
    share: float = 0.0
    """Largest share of the memory allowed for a file."""
    seconds: float = 0.0

    def add(self, outcome: Outcome, allowed: int) -> None:
        self.outcomes[outcome.kind] += 1
        self.allocated = max(self.allocated, outcome.allocated)
        self.share = max(self.share, outcome.allocated / allowed)
        self.seconds = max(self.seconds, outcome.seconds)


class _DefectError(Exception):
    pass


def run(
    target: Target,
    count: int,
    first_seed: int,
    *,
    tally: Tally,
    keep: Path,
    advance: Callable[[], object] = lambda: None,
) -> None:
    """Read ``count`` files and tally them; the smallest file of each defect goes into ``keep``."""
    failed: list[bytes] = []

    def record(reason: str, data: bytes) -> None:
        path = keep / f"{hashlib.sha256(data).hexdigest()[:12]}{target.suffix}"
        keep.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        tally.defects.append(f"{path} (seed {batch}): {reason}")

    with closing(Worker(target.read, target.good)) as worker:

        def check(data: bytes) -> None:
            outcome = worker(data)
            if not failed:  # later calls are hypothesis shrinking the file
                tally.add(outcome, target.allowed(data))
                advance()
            reason = defect(target, data, outcome)
            if reason and outcome.kind in ("hang", "crash"):
                record(reason, data)  # not shrunk, which would take too long
            elif reason and (reason := defect(target, data, worker(data))):
                # Read twice: the first time may have included an import.
                failed.append(data)
                raise _DefectError(reason)

        batch = first_seed
        while (left := count - tally.outcomes.total()) > 0:
            limits = settings(
                max_examples=min(left, _BATCH),
                deadline=None,
                database=None,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.generate, Phase.shrink],
            )
            failed.clear()
            try:
                seed(batch)(limits(given(target.files)(check)))()
            except (_DefectError, Flaky) as error:
                if not failed:  # no file failed: the defect is in this module
                    raise
                record(str(error), failed[-1])
            batch += 1


def defect(target: Target, data: bytes, outcome: Outcome) -> str:
    """Describe the defect that an outcome shows; an interpreter's own failures are none."""
    if not (target.strict or outcome.kind == "AssertionError"):
        return ""
    if not outcome.ours:
        return f"{outcome.kind}: {outcome.message[:200]!r}"
    if outcome.seconds > MAX_SECONDS:
        return f"needs {outcome.seconds:.1f} s of CPU time"
    allowed = target.allowed(data)
    if outcome.allocated > allowed:
        return f"allocates {outcome.allocated} bytes for {len(data)}, allowed are {allowed}"
    return ""
