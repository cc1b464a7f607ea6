"""Many files of one kind, each to the reader in its worker; what fails is made small and kept."""

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

MOST_SECONDS = 10.0
_BATCH = 1000  # hypothesis remembers every file of a batch


@dataclass
class Tally:
    """How a campaign went."""

    outcomes: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)
    allocated: int = 0
    share: float = 0.0
    """Of what was allowed for a file, the largest."""
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
            if not failed:  # what follows is hypothesis making the file smaller
                tally.add(outcome, target.allowed(data))
                advance()
            reason = defect(target, data, outcome)
            if reason and outcome.kind in ("hang", "crash"):
                record(reason, data)  # as it is: the time to make it smaller is not spent
            elif reason and (reason := defect(target, data, worker(data))):
                # Twice: what a first time takes, such as an import, is no file's doing.
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
                if not failed:  # nothing was read wrongly: it is a defect of the campaign's own
                    raise
                record(str(error), failed[-1])
            batch += 1


def defect(target: Target, data: bytes, outcome: Outcome) -> str:
    """Say what is wrong with an outcome; for an interpreter's file, only what is wrong of ours."""
    if not (target.strict or outcome.kind == "AssertionError"):
        return ""
    if not outcome.ours:
        return f"{outcome.kind}: {outcome.message[:200]!r}"
    if outcome.seconds > MOST_SECONDS:
        return f"takes {outcome.seconds:.1f} s of the processor"
    allowed = target.allowed(data)
    if outcome.allocated > allowed:
        return f"holds {outcome.allocated} bytes for a file of {len(data)}; allowed are {allowed}"
    return ""
