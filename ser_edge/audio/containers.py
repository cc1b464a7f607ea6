"""Formats that are not WAV, by the first bytes of a recording."""

from typing import NamedTuple


class Container(NamedTuple):
    """A format of recordings.

    Parameters
    ----------
    name : str
        For messages.
    demuxer : str
        The name in ffmpeg; empty for formats that soundfile reads.
    """

    name: str
    demuxer: str = ""


_MP4 = Container("MP4 or QuickTime (m4a, mp4, 3gp, mov)", "mov")
# Position, the bytes there, and the format.
_SIGNATURES = (
    (4, b"ftyp", _MP4),
    (4, b"moov", _MP4),
    (4, b"mdat", _MP4),
    (0, b"\x1a\x45\xdf\xa3", Container("WebM or Matroska (webm, mkv, mka)", "matroska")),
    (0, b"#!AMR", Container("AMR", "amr")),
    (0, b"\x30\x26\xb2\x75", Container("Windows Media (wma, wmv)", "asf")),
    (8, b"AVI ", Container("AVI", "avi")),
    (0, b"\xff\xf1", Container("AAC", "aac")),
    (0, b"\xff\xf9", Container("AAC", "aac")),
    (0, b"fLaC", Container("FLAC")),
    (0, b"OggS", Container("OGG")),
    (0, b"ID3", Container("MP3")),
    (0, b"FORM", Container("AIFF")),
    (0, b".snd", Container("AU")),
    (0, b"caff", Container("CAF")),
)


def container_of(head: bytes) -> Container | None:
    """Return the format of a recording that begins with these 12 bytes, or None.

    Examples
    --------
    >>> from ser_edge.audio.containers import container_of
    >>> container_of(b"#!AMR-WB and so on")
    Container(name='AMR', demuxer='amr')
    """
    for at, signature, container in _SIGNATURES:
        if head[at : at + len(signature)] == signature:
            return container
    return None
