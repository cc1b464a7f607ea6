"""The endpoint of docs/mobile-backend.md, over HTTP on loopback."""

import asyncio
import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from hanging import HANG_S
from numpy.typing import NDArray

from ser_edge import Classifier, SerEdgeError

PAGE = (Path(__file__).parents[1] / "docs" / "mobile-backend.md").read_text("utf-8")
(CODE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
(OPTIONS,) = re.findall(r"uvicorn server:app --port 8000 (.*)", PAGE)
MAX_BYTES = 3_000_000
RATE = 22050


class Server:
    """A process of uvicorn, and its output so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.log = ""
        self.ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.log += line
                    self._changed.notify_all()
        with self._changed:  # the last process that held the pipe has ended
            self.ended = True
            self._changed.notify_all()

    def wait(self, done: Callable[[], bool]) -> bool:
        """Wait for output, or for the end of all processes."""
        with self._changed:
            return self._changed.wait_for(lambda: done() or self.ended, HANG_S)

    @property
    def url(self) -> str:
        found = re.search(r"running on (http://127\.0\.0\.1:\d+)", self.log)
        assert found, self.log
        return found[1]

    def post(self, content: Any) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=HANG_S) as client:
            return client.post(f"{self.url}/predict", content=content)


@contextlib.contextmanager
def serving(folder: Path, bundle: Path, code: str, *options: str) -> Iterator[Server]:
    """Run the page's code with the page's command; on leaving, end it as a supervisor would."""
    empty = folder / "empty"
    empty.mkdir()
    (folder / "server.py").write_text(code, "utf-8")
    command = [sys.executable, "-W", "error", "-m", "uvicorn", "server:app"]
    command += ["--app-dir", str(folder), "--port", "0", *options]
    environment = {
        **os.environ,
        **dict.fromkeys(("HOME", "TMPDIR"), str(empty)),
        "SER_EDGE_BUNDLE": str(bundle),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=empty,
        start_new_session=True,
    )
    server = Server(process)
    # Which of the two lines comes last depends on the workers.
    expected = "startup complete", "running on"
    try:
        server.wait(lambda: all(text in server.log for text in expected))
        # Workers say that they have started before they listen.
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), trust_env=False) as client:
            client.get(server.url, timeout=HANG_S)
        yield server
        process.send_signal(signal.SIGTERM)
        server.wait(lambda: False)
        assert server.ended, server.log
        # uvicorn shuts down, and then passes the signal on to itself.
        assert process.wait(HANG_S) in (0, -signal.SIGTERM), server.log
        assert "Application shutdown complete" in server.log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        server.wait(lambda: False)
    # The server treats warnings as errors, and an uncaught exception leaves its traceback.
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


def test_eight_concurrent_clients_get_the_classifiers_predictions(
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
def test_a_body_of_the_maximum_size_is_classified(server: Server, chunked: bool) -> None:
    response = server.post(pieces(MAX_BYTES) if chunked else bytes(MAX_BYTES))
    assert response.status_code == 422


SECOND = np.full(RATE, 1000, np.int16)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", "0 bytes"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "begins with b'\\x89PNG"),
        (b'{"clip": "UklGRg=="}', "begins with b'{\"clip"),
        (wav(SECOND)[:-2000], "42100 bytes"),
        (wav(SECOND)[:30], "30 bytes"),
        (wav(0 * SECOND), "its peak is 0 "),
        (wav(np.tile(SECOND, 31)), "max_s=30"),
    ],
    ids=["empty", "picture", "json", "truncated", "header", "silent", "long"],
)
def test_what_cannot_be_classified(server: Server, body: bytes, value: str) -> None:
    response = server.post(body)
    assert response.status_code == 422
    (detail,) = response.json().values()
    assert detail.startswith("the recording: ")
    assert value in detail
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
    assert "budget_s=1e-09" in response.json()["detail"]


def test_a_wrong_setting_is_the_servers_fault(
    bundle_dir: Path, monkeypatch: pytest.MonkeyPatch, clips: list[bytes]
) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    monkeypatch.setenv("SER_EDGE_BUNDLE", str(bundle_dir))
    page: dict[str, Any] = {}
    exec(CODE.replace("30, 2, 20", "30, -1, 20"), page)
    client = testclient.TestClient(page["app"], raise_server_exceptions=False)
    assert client.post("/predict", content=clips[0]).status_code == 500


def test_the_time_for_a_body_is_bounded(strict: Server) -> None:
    address = httpx.URL(strict.url)
    with socket.create_connection((address.host, address.port or 80), HANG_S) as phone:
        phone.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\nRIFF")
        with phone.makefile("rb") as response:
            assert b" 408 " in response.readline()
            while b"0.5 s" not in response.readline():
                pass  # the headers


def test_two_predictions_run_at_once_and_the_others_wait(
    bundle_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, pair, all_sent = threading.Lock(), threading.Barrier(2), threading.Event()

    class Counting:
        """A classifier that counts the threads in it."""

        n_inside = 0
        max_inside = 0

        def predict(self, body: bytes, **limits: float) -> Any:
            with lock:
                self.n_inside += 1
                self.max_inside = max(self.max_inside, self.n_inside)
            pair.wait(HANG_S)
            all_sent.wait(HANG_S)
            with lock:
                self.n_inside -= 1
            raise SerEdgeError("was only counted")

    monkeypatch.setenv("SER_EDGE_BUNDLE", str(bundle_dir))
    page: dict[str, Any] = {"__name__": "page"}
    exec(CODE, page)
    page["classifier"] = classifier = Counting()

    async def let_all_arrive() -> None:
        for _ in range(1000):  # more than a request needs to reach its thread
            await asyncio.sleep(0)
        all_sent.set()

    async def send_eight() -> list[httpx.Response]:
        transport = httpx.ASGITransport(page["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            sending = asyncio.create_task(let_all_arrive())
            responses = await asyncio.gather(*(client.post("/predict") for _ in range(8)))
            await sending
            return responses

    assert [response.status_code for response in asyncio.run(send_eight())] == [503] * 8
    assert classifier.max_inside == 2


def test_the_page_shows_the_messages_that_come(server: Server) -> None:
    for body in (np.tile(SECOND, 31), np.zeros(MAX_BYTES // 2, np.int16)):
        assert server.post(wav(body)).json()["detail"] in PAGE
