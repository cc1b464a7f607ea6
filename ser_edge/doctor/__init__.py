"""Which backends work on this machine, and how to repair the others."""

from ser_edge.doctor.diagnosis import BackendReport, Diagnosis
from ser_edge.doctor.examination import diagnose, missing_wheel

__all__ = ["BackendReport", "Diagnosis", "diagnose", "missing_wheel"]
