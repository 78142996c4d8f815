"""An HTTP proxy in front of an S3 endpoint that counts requests and, seeded, lets some of them fail.

Whether a request fails depends on the seed, its method, object and range, and how often it was sent before, never on
the order in which workers send requests: the same seed gives the same faults to the same run.
"""

import hashlib
import http.client
import re
import socket
import struct
import threading
import time
import urllib.parse
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = (
    "500",  # not carried out
    "503",  # not carried out
    "reset",  # before it is carried out
    "reset_after",  # carried out, and the answer lost
    "short_body",  # the connection is cut in the middle of the answer
    "stall",  # no answer
    "404_after_put",  # stored, and for some requests not visible
    "half_stored",  # half of it stored, with the digest of this half as ETag
)
LIES = ("half_acknowledged",)  # half of it stored, with the digest of all of it as ETag: no S3 does, a broken copy may
STALL_SECONDS = 2.0  # give clients a shorter timeout
MISSING_ANSWERS = 2  # 404s in a row after a PUT that is not visible yet
_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "server", "date"}


class FaultyEndpoint:
    """A proxy on localhost. `rate` of the requests meet one of the `faults`; `requests` counts them by method."""

    def __init__(self, upstream: str, rate: float = 0.0, faults: tuple[str, ...] = FAULTS, seed: int = 0):
        self.rate, self.faults, self.seed = rate, faults, seed
        self.requests: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self.log: list[str] = []
        self._upstream = urllib.parse.urlsplit(upstream)
        self._lock = threading.Lock()
        self._sent: Counter[tuple[str, str, str]] = Counter()
        self._invisible: dict[str, int] = {}  # objects whose next reads are answered with 404: how many
        self._stopped = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"endpoint": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FaultyEndpoint":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def connection(self) -> http.client.HTTPConnection:
        """A new connection to the endpoint behind the proxy."""
        assert self._upstream.hostname
        return http.client.HTTPConnection(self._upstream.hostname, self._upstream.port, timeout=60)

    def stall(self) -> None:
        self._stopped.wait(STALL_SECONDS)

    def fault_of(self, method: str, path: str, byte_range: str) -> str | None:
        """Count a request and return the fault that it meets."""
        name = kind_of(method, path)
        key = urllib.parse.urlsplit(path).path
        with self._lock:
            self.requests[name] += 1
            self.log.append(f"{name} {path} {byte_range}".rstrip())
            attempt = self._sent[method, path, byte_range] = self._sent[method, path, byte_range] + 1
            if method in ("GET", "HEAD") and self._invisible.get(key, 0) > 0:
                self._invisible[key] -= 1
                return "404"
            draw = hashlib.sha256(f"{self.seed} {method} {path} {byte_range} {attempt}".encode()).digest()
            if int.from_bytes(draw[:8], "big") >= self.rate * 2**64:
                return None
            possible = [fault for fault in self.faults if _applies(fault, name)]
            if not possible:
                return None
            fault = possible[draw[8] % len(possible)]
            self.injected[fault] += 1
            if fault == "404_after_put":
                self._invisible[key] = MISSING_ANSWERS
            return fault


def kind_of(method: str, path: str) -> str:
    """The method, with what makes it another operation of S3: "GET list", "POST uploads"."""
    query = urllib.parse.urlsplit(path).query
    for parameter in ("list-type", "uploads", "uploadId", "delete"):
        if re.search(rf"(^|&){parameter}(=|&|$)", query):
            return f"{method} {'list' if parameter == 'list-type' else parameter}"
    return method


def _applies(fault: str, name: str) -> bool:
    if fault == "short_body":
        return name in ("GET", "GET list")
    if fault in ("404_after_put", "half_acknowledged"):
        return name == "PUT"
    if fault == "half_stored":
        return name in ("PUT", "PUT uploadId")
    return True


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that has gone away, as one does whose patience is shorter than a stall."""


class _Handler(BaseHTTPRequestHandler):
    endpoint: FaultyEndpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing: what was requested is counted."""

    def _answer(self) -> None:
        body = self._body()
        fault = self.endpoint.fault_of(self.command, self.path, self.headers.get("Range", ""))
        if fault in ("500", "503", "404"):
            code = {"500": "InternalError", "503": "SlowDown", "404": "NoSuchKey"}[fault]
            return self._send(int(fault), {}, f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode())
        if fault == "stall":
            self.endpoint.stall()
            return self._reset()
        if fault == "reset":
            return self._reset()
        status, headers, answer = self._forward(body)
        if fault == "reset_after":
            return self._reset()
        if fault in ("half_stored", "half_acknowledged"):
            half = self._forward(body[: len(body) // 2])
            if fault == "half_stored":
                status, headers, answer = half
        return self._send(status, headers, answer, len(answer) // 2 if fault == "short_body" else None)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS}
        connection = self.endpoint.connection()
        try:
            connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            response = connection.getresponse()
            answer = response.read()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_HEADERS}
            if self.command == "HEAD":
                kept["Content-Length"] = response.getheader("Content-Length") or "0"
            return response.status, kept, answer
        finally:
            connection.close()

    def _send(self, status: int, headers: dict[str, str], body: bytes, cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self._reset()

    def _reset(self) -> None:
        """Drop the connection as a crashed server does: no more bytes, and an RST."""
        time.sleep(0.001)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
