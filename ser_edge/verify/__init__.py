"""Whether a bundle is whole and answers here as it did where it was exported."""

from ser_edge.verify.checks import Check, ModelCheck, Report
from ser_edge.verify.verification import verify

__all__ = ["Check", "ModelCheck", "Report", "verify"]
