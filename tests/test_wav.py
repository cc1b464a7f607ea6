"""The WAV reader, through `read`: against soundfile, and against files made to break it."""

import io
import sys
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest
from raising import raises
from recordings import RATE, by_soundfile, chunk, fmt, riff, tone, written

from ser_edge.audio import read
from ser_edge.audio.wav import WavHeader, read_frames, read_header
from ser_edge.errors import AudioError

SUBTYPES = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_samples_are_soundfiles(
    rng: np.random.Generator, subtype: str, channels: int, container: str
) -> None:
    frames = rng.uniform(-1, 1, (1234, channels))
    frames[:2] = [[-1.0], [1.0]]
    data = written(frames, 44100, subtype, container)
    samples, rate = read(data)
    assert rate == 44100
    assert samples.dtype == np.float32
    assert samples.flags.writeable
    np.testing.assert_array_equal(samples, by_soundfile(data))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24414, 44100, 48000, 96000, 192000])
def test_every_rate(rate: int) -> None:
    assert read(riff(chunk(b"fmt ", fmt(rate=rate)), chunk(b"data", tone())))[1] == rate


def test_unknown_and_odd_chunks_are_skipped() -> None:
    data = riff(
        chunk(b"JUNK", b"x" * 27),
        chunk(b"fmt ", fmt()),
        chunk(b"LIST", b"INFO" + b"y" * 33),
        chunk(b"data", tone()),
        chunk(b"LIST", b"trailing"),
    )
    samples, _ = read(data)
    assert samples.size == 800
    np.testing.assert_array_equal(samples, by_soundfile(data))


@pytest.mark.parametrize(
    "length", [0, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFFF, 0x7FFFFFFF - 36, 0x7FFFF000, 0x80000000]
)
def test_streamed_files_are_read_to_their_end(length: int) -> None:
    body = b"WAVE" + chunk(b"fmt ", fmt()) + chunk(b"data", tone(), length)
    samples, _ = read(chunk(b"RIFF", body, 0xFFFFFFFF) + b"\x01")
    np.testing.assert_array_equal(samples, np.frombuffer(tone(), "<i2") / np.float32(32768))


def test_a_second_data_chunk_is_read_if_the_first_is_empty() -> None:
    samples, _ = read(riff(GOOD_FMT, chunk(b"data", b""), chunk(b"data", tone())))
    np.testing.assert_array_equal(samples, np.frombuffer(tone(), "<i2") / np.float32(32768))


def with_align(data: bytes, align: int) -> bytes:
    at = data.index(b"fmt ") + 8 + 12
    return data[:at] + align.to_bytes(2, "little") + data[at + 2 :]


@pytest.mark.parametrize("subtype", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("align", [0, 1, 3, 4, 8, 65535])
def test_a_wrong_block_align_is_ignored_as_by_soundfile(
    rng: np.random.Generator, subtype: str, channels: int, align: int
) -> None:
    data = with_align(written(rng.uniform(-1, 1, (999, channels)), subtype=subtype), align)
    np.testing.assert_array_equal(read(data)[0], by_soundfile(data))


@pytest.mark.parametrize(
    ("bits", "align"), [(7, 1), (12, 2), (20, 3), (24, 4)], ids=lambda value: str(value)
)
def test_other_widths_are_soundfiles(
    monkeypatch: pytest.MonkeyPatch, bits: int, align: int
) -> None:
    samples = (tone(600) * 4)[: 400 * align]
    data = riff(chunk(b"fmt ", fmt(bits=bits, align=align)), chunk(b"data", samples))
    np.testing.assert_array_equal(read(data)[0], by_soundfile(data))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with raises(AudioError, f"{bits}-bit PCM", "ser-edge[audio]"):
        read(data)


def test_a_length_that_counts_the_header_is_read() -> None:
    data = riff(GOOD_FMT, chunk(b"data", tone(), len(tone()) + 44))
    np.testing.assert_array_equal(read(data)[0], by_soundfile(data))


def test_a_recording_by_the_standard_library(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(tone())
    np.testing.assert_array_equal(read(path)[0], by_soundfile(path.read_bytes()))


GOOD_FMT = chunk(b"fmt ", fmt())
BROKEN = {
    "empty": (b"", "0 bytes"),
    "text": (b"emotion,clip\nangry,1\n", "begins with b'emotion,clip'"),
    "text without WAVE": (b"RIFFRAFF is a word that sounds", "begins with b'RIFFRAFF is '"),
    "four bytes": (b"RIFF", "has no audio in its 4 bytes"),
    "header cut off": (riff(GOOD_FMT)[:30], "has no audio"),
    "no data chunk": (riff(GOOD_FMT), "has no audio in its 36 bytes"),
    "no fmt chunk": (riff(chunk(b"data", tone())), "0 format bytes"),
    "short fmt chunk": (riff(chunk(b"fmt ", b"\1\0"), chunk(b"data", tone())), "2 format bytes"),
    "truncated": (
        riff(GOOD_FMT, chunk(b"data", tone(), 9999)),
        "9999",
    ),
    "no samples": (riff(GOOD_FMT, chunk(b"data", b"")), "has no samples"),
    "no samples before LIST": (
        riff(GOOD_FMT, chunk(b"data", b""), chunk(b"LIST", b"INFOISFT" + b"x" * 2001)),
        "has no audio",
    ),
    "no samples before two chunks": (
        riff(GOOD_FMT, chunk(b"data", b""), chunk(b"id3 ", b"x" * 99), chunk(b"LIST", b"")),
        "has no audio",
    ),
    "one byte less than its header": (
        riff(GOOD_FMT, chunk(b"data", tone(), len(tone()) + 45)),
        "states 1645",
    ),
    "half a sample": (riff(GOOD_FMT, chunk(b"data", b"\1")), "has no samples"),
    "64-bit PCM": (riff(chunk(b"fmt ", fmt(bits=64)), chunk(b"data", tone())), "64-bit PCM"),
    "16-bit float": (riff(chunk(b"fmt ", fmt(3)), chunk(b"data", tone())), "16-bit float"),
    "no channels": (riff(chunk(b"fmt ", fmt(channels=0)), chunk(b"data", tone())), "0 channels"),
    "rate 0": (riff(chunk(b"fmt ", fmt(rate=0)), chunk(b"data", tone())), "sample_rate=0"),
    "rate of 4 GHz": (
        riff(chunk(b"fmt ", fmt(rate=2**32 - 1)), chunk(b"data", tone())),
        "sample_rate=4294967295",
    ),
    "endless zeros": (riff(bytes(1 << 20)), "has no audio"),
    "codec that nobody has": (
        riff(chunk(b"fmt ", fmt(0x4321)), chunk(b"data", tone())),
        "codec 0x4321",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_recordings_are_refused(tmp_path: Path, case: str) -> None:
    data, value = BROKEN[case]
    path = tmp_path / "clip.wav"
    path.write_bytes(data)
    for source, name in ((path, "clip.wav"), (data, "the recording")):
        with raises(AudioError, value, source=name):
            read(source)


def test_a_file_that_becomes_shorter_is_refused() -> None:
    file = io.BytesIO(riff(GOOD_FMT, chunk(b"data", tone(100))))
    header = read_header(file)
    assert header == WavHeader(np.dtype("<i2"), channels=1, sample_rate=RATE, n_frames=100)
    file.truncate(file.tell() + 199)
    with raises(AudioError, "shorter"):
        read_frames(file, header, first=10, count=90)


def test_headers_cannot_make_it_allocate() -> None:
    promise = riff(
        chunk(b"fmt ", fmt(channels=65535, align=0xFFFE, bits=16)), chunk(b"data", b"", 0xFFFFFFFF)
    )
    many = chunk(b"fmt ", fmt(channels=30000)) + chunk(b"data", tone(), 0x7FFFFFFF)
    tracemalloc.start()
    for data in (promise, riff(many), riff(chunk(b"fmt ", fmt(), 0xFFFFFFF0))):
        with raises(AudioError):
            read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


class Memory32(io.BytesIO):
    """A file in the memory of a 32-bit machine."""

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        if place >= 1 << 31:
            raise OverflowError("Python int too large to convert to C ssize_t")
        return super().seek(place, whence)


def test_headers_lead_to_no_place_that_32_bits_do_not_have() -> None:
    with raises(AudioError):
        read_header(Memory32(riff(chunk(b"LIST", b"", 0xFFFFFFF0))))


def mutated(rng: np.random.Generator, data: bytes, header: int) -> bytes:
    """Change one to four bytes of the header; sometimes cut out, double or cut off a piece."""
    new = bytearray(data)
    interesting = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(header))
        new[at] = int(rng.choice(interesting) if rng.random() < 0.5 else rng.integers(256))
    kind = rng.random()
    at, n = int(rng.integers(len(new))), int(rng.integers(1, 16))
    if kind < 0.1:
        del new[at : at + n]
    elif kind < 0.2:
        new[at:at] = new[at : at + n]
    elif kind < 0.3:
        del new[at:]
    return bytes(new)


@pytest.mark.parametrize("with_soundfile", [True, False])
def test_only_audio_errors_escape_from_any_bytes(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, with_soundfile: bool
) -> None:
    if not with_soundfile:
        monkeypatch.setitem(sys.modules, "soundfile", None)
    stereo = rng.uniform(-1, 1, (60, 2))
    originals = [written(stereo, subtype=subtype) for subtype in SUBTYPES]
    originals += [written(stereo, subtype=s, container="WAVEX") for s in ("PCM_24", "FLOAT")]
    originals += [riff(chunk(b"LIST", b"abc"), GOOD_FMT, chunk(b"data", tone(60)))]
    originals += [written(stereo, container="FLAC"), written(stereo, subtype="IMA_ADPCM")]
    refusals: list[str] = []
    for turn in range(4000):
        data = mutated(rng, originals[turn % len(originals)], 80)
        try:
            samples, rate = read(data, offset_s=0.001 * (turn % 3))
        except AudioError as error:
            refusals.append(str(error))
            continue
        # Compressed data may stand for more samples than it has bytes, by one block at most.
        assert 0 < samples.size <= len(data) + (1 << 16) * with_soundfile
        assert np.isfinite(samples).all()
        assert 8000 <= rate <= 192000
    assert 200 < len(refusals) < 3800
    assert not any("\n" in refusal for refusal in refusals)
