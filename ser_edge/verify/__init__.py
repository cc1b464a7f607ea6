"""Whether a bundle is complete and computes here what it computed where it was exported."""

from ser_edge.verify.verification import verify
from ser_edge.verify.verify_report import Check, ModelCheck, Report

__all__ = ["Check", "ModelCheck", "Report", "verify"]
