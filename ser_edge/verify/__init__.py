"""Whether a bundle is complete and computes here what it computed where it was exported."""

from ser_edge.verify.checks import Check, ModelCheck, Report
from ser_edge.verify.verification import verify

__all__ = ["Check", "ModelCheck", "Report", "verify"]
