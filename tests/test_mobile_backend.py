"""The endpoint in docs/mobile-backend.md, as it stands there, over HTTP on loopback."""

import asyncio
import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from ser_edge import Classifier, SerEdgeError

PAGE = (Path(__file__).parents[1] / "docs" / "mobile-backend.md").read_text("utf-8")
(CODE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(OPTIONS,) = re.findall(r"uvicorn server:app --port 8000 (.*)", PAGE)
MAX_BYTES = 3_000_000
RATE = 22050


class Server:
    """A server that has answered, its folder, and what it wrote on stderr so far."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, url: str) -> None:
        self.process = process
        self.folder = folder
        self.url = url

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")

    def post(self, content: Any) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=30) as client:
            return client.post(f"{self.url}/predict", content=content)


def within(seconds: float, done: Callable[[], bool]) -> bool:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.02)
    return done()


def running(group: int) -> list[str]:
    """Tell the processes of a group that have not ended, on Linux."""
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stats.append(path.read_text("utf-8", "replace"))
    fields = ((stat, stat.rpartition(")")[2].split()) for stat in stats)
    return [stat for stat, (state, _, of, *_) in fields if int(of) == group and state != "Z"]


@contextlib.contextmanager
def serving(folder: Path, bundle: Path, code: str, *options: str) -> Iterator[Server]:
    """Run the page's code by the page's command; on leaving, end it as a supervisor would."""
    empty = folder / "empty"
    empty.mkdir()
    (folder / "server.py").write_text(code, "utf-8")
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "server:app"]
    command += ["--app-dir", str(folder), "--port", "0", *options]
    surroundings = {
        **os.environ,
        **dict.fromkeys(("HOME", "TMPDIR"), str(empty)),
        "SER_EDGE_BUNDLE": str(bundle),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=surroundings, cwd=empty, start_new_session=True
        )
    server = Server(process, folder, "")
    # Which of the two uvicorn says last depends on its workers.
    said = "startup complete", "running on"
    try:
        within(30, lambda: all(s in server.log for s in said) or process.poll() is not None)
        found = re.search(r"running on (http://127\.0\.0\.1:\d+)", server.log)
        assert found, server.log
        server.url = found[1]
        yield server
        process.send_signal(signal.SIGTERM)
        # uvicorn shuts down, and then passes the signal on to itself.
        assert process.wait(20) in (0, -signal.SIGTERM), server.log
        assert "Application shutdown complete" in server.log
        ended = within(5, lambda: not running(process.pid))
        assert ended, running(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # A warning is an error in there, and an exception that nobody caught leaves its traceback.
    assert "Traceback" not in server.log
    assert list(empty.iterdir()) == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, bundle_dir: Path) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), bundle_dir, CODE) as running:
        yield running


def wav(samples: NDArray[Any], rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


@pytest.fixture(scope="module")
def clips(golden: dict[str, Any]) -> list[bytes]:
    """Twenty-four that differ, in rate, length and channels."""
    made = []
    for i, rate in enumerate(3 * (8000, 16000, RATE, 24414, 44100, 48000, RATE, RATE)):
        samples = golden[f"clip{i % 3}_samples"][100 * i :]
        made.append(wav(samples if i % 5 else np.stack([samples, samples // 2], axis=1), rate))
    return made


def test_the_endpoint_is_short() -> None:
    assert len(CODE.splitlines()) < 40


def test_eight_clients_at_once_hear_what_the_classifier_says(
    server: Server, bundle_dir: Path, clips: list[bytes]
) -> None:
    classifier = Classifier.load(bundle_dir)
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(server.post, clips))
    for clip, response in zip(clips, responses, strict=True):
        assert response.status_code == 200
        expected = classifier.predict(clip).to_dict()
        assert {**response.json(), "timings_ms": None} == {**expected, "timings_ms": None}


def pieces(size: int) -> Iterator[bytes]:
    """A body of unknown length: chunked transfer encoding."""
    for begin in range(0, size, 100_000):
        yield bytes(min(100_000, size - begin))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [MAX_BYTES + 1, 10 * MAX_BYTES])
def test_what_is_too_large(server: Server, size: int, chunked: bool) -> None:
    response = server.post(pieces(size) if chunked else bytes(size))
    assert response.request.headers.get("content-length") == (None if chunked else str(size))
    assert response.status_code == 413
    assert response.json() == {"detail": "the body has over 3000000 bytes; send less"}


@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_just_not_too_large_is_looked_at(server: Server, chunked: bool) -> None:
    response = server.post(pieces(MAX_BYTES) if chunked else bytes(MAX_BYTES))
    assert response.status_code == 422


SECOND = np.full(RATE, 1000, np.int16)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the recording: is empty (0 bytes); expected "),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "the recording: begins with b'\\x89PNG"),
        (b'{"clip": "UklGRg=="}', "the recording: begins with b'{\"clip"),
        (wav(SECOND)[:-2000], "the recording: is truncated: 42100 bytes of audio where its header"),
        (wav(SECOND)[:30], "the recording: has no audio in its 30 bytes"),
        (wav(0 * SECOND), "the recording: is silent: its peak is 0 of full scale"),
        (wav(np.tile(SECOND, 31)), "the recording: holds 31.000 s; expected at most max_s=30, "),
    ],
    ids=["empty", "picture", "json", "truncated", "header", "silent", "long"],
)
def test_what_cannot_be_classified(server: Server, body: bytes, message: str) -> None:
    response = server.post(body)
    assert response.status_code == 422
    (detail,) = response.json().values()
    assert detail.startswith(message)
    assert len(detail) < 200
    assert "\n" not in detail


def test_a_phone_that_loses_its_connection_leaves_no_trace(
    server: Server, clips: list[bytes]
) -> None:
    address = httpx.URL(server.url)
    for body in (b"", clips[0][:1000]):
        with socket.create_connection((address.host, address.port or 80)) as phone:
            phone.sendall(
                b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + body
            )
    assert server.post(clips[0]).status_code == 200


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, bundle_dir: Path) -> Iterator[Server]:
    """The page's own command line, two workers, and no time at all."""
    code = CODE.replace("30, 2, 20", "30, 1e-9, 0.5")
    assert code != CODE
    folder = tmp_path_factory.mktemp("strict")
    with serving(folder, bundle_dir, code, *OPTIONS.split()) as running:
        yield running


def test_the_time_for_an_answer_is_bounded(strict: Server, clips: list[bytes]) -> None:
    response = strict.post(clips[0])
    assert response.status_code == 503
    detail = response.json()["detail"]
    assert re.fullmatch(
        r"the recording: no window was done after \d\.\d{3} s; expected all within budget_s=1e-09, "
        r"give a shorter recording or more time",
        detail,
    )


def test_the_time_for_a_body_is_bounded(strict: Server) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(20):
            yield b"RIFF"
            time.sleep(0.1)

    response = strict.post(slowly())
    assert response.status_code == 408
    assert response.json() == {"detail": "the body did not come within 0.5 s; try again"}


def test_two_predictions_run_at_once_and_the_others_wait(
    bundle_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        """A classifier that sees how many threads are in it."""

        inside = 0
        most = 0

        def predict(self, body: bytes, **limits: float) -> Any:
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.05)
            self.inside -= 1
            raise SerEdgeError("was only counted")

    monkeypatch.setenv("SER_EDGE_BUNDLE", str(bundle_dir))
    page: dict[str, Any] = {"__name__": "page"}
    exec(CODE, page)
    page["classifier"] = slow = Slow()

    async def send_eight() -> list[httpx.Response]:
        transport = httpx.ASGITransport(page["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await asyncio.gather(*(client.post("/predict") for _ in range(8)))

    assert [response.status_code for response in asyncio.run(send_eight())] == [503] * 8
    assert slow.most == 2


def test_the_page_shows_the_messages_that_come(server: Server) -> None:
    for body in (np.tile(SECOND, 31), np.zeros(MAX_BYTES // 2, np.int16)):
        assert server.post(wav(body)).json()["detail"] in PAGE
