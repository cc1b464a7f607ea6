"""Adaptation to a speaker or a microphone, from recordings without labels."""

from ser_edge.adaptation.online import OnlineAdaptation
from ser_edge.adaptation.profile import Profile
from ser_edge.adaptation.speaker_model import Correction, SpeakerModel, centred_logs

__all__ = ["Correction", "OnlineAdaptation", "Profile", "SpeakerModel", "centred_logs"]
