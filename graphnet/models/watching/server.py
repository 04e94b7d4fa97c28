"""A server for one page on 127.0.0.1, which nobody else can read and nothing can be written to."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any

from graphnet.core.errors import ConfigError
from graphnet.core.files.border import described
from graphnet.models.pages.html import live_page
from graphnet.models.watching.address import proof
from graphnet.models.watching.feed import Feed, difference

#: The address of this machine only.
ADDRESS = "127.0.0.1"
#: Seconds after which a stream without news sends a comment, and those that a client may let a transfer wait.
PAUSE, TIMEOUT = 10.0, 30.0
#: The most streams at one time, the most connections that have not shown the token, and the seconds that these have.
STREAMS, STRANGERS, PATIENCE = 16, 48, 10.0


class Server(ThreadingHTTPServer):
    """Serves ``/``, a page without data, ``/nonce``, and ``/events``, the data as server-sent events.

    Every request must name the server as its ``Host``, so that a page of another origin cannot reach it by a name that
    leads to 127.0.0.1 (DNS rebinding). ``/events`` also needs the token: ``Authorization: Bearer TOKEN``, or, from the
    page, ``Authorization: Proof HEX``, by which it shows that it knows the token (:func:`.address.proof`; ``/nonce`` is
    what it needs for that). The page takes the token from the fragment of its address, which browsers do not send.
    There are no other paths and no methods but GET; no file is served.

    A connection that has not shown the token ends after 10 seconds, and the oldest of them ends when there are more
    than 48: clients that send nothing, or very slowly, keep nobody out.

    Parameters
    ----------
    read : callable
        Returns the data of the page.
    port : int
        0: any free port.
    token : str, optional
        None: 256 random bits.
    other : bool
        Whether any free port is used if this one is taken.
    """

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = os.name != "nt"  # on Windows, another process could listen on the same port

    def __init__(
        self, read: Callable[[], Mapping[str, Any]], port: int = 0, *, token: str | None = None, other: bool = False
    ) -> None:
        self.read = read
        self.feed = Feed()
        self.token = secrets.token_urlsafe(32) if token is None else token
        self.nonce = secrets.token_hex(16)
        self._strangers: dict[socket, float] = {}  # the oldest first
        self._lock = threading.Lock()
        self.page, self.policy = live_page()
        self.streams = threading.BoundedSemaphore(STREAMS)
        try:
            self._listen(port, other)
        except OSError as error:
            raise ConfigError(
                "the port cannot be used",
                where="watch",
                expected="a free port",
                received=f"{port}: {described(error)}",
                remedy="Without --port, any free port is used.",
            ) from error
        self.hosts: set[str] = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}

    def _listen(self, port: int, other: bool) -> None:
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError:
            if not other:
                raise
            super().__init__((ADDRESS, 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a thread for a connection; the oldest one ends if there are too many that have not shown the token."""
        with self._lock:
            self._strangers[request] = time.monotonic()
            while len(self._strangers) > STRANGERS:
                self._end(next(iter(self._strangers)))
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """End the connections that have waited for too long; called several times in a second."""
        with self._lock:
            for request, since in list(self._strangers.items()):
                if time.monotonic() - since > PATIENCE:
                    self._end(request)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that ends."""
        self.trust(request)
        super().shutdown_request(request)

    def trust(self, request: socket) -> None:
        """Let a connection last: it has shown the token."""
        with self._lock:
            self._strangers.pop(request, None)

    def _end(self, request: socket) -> None:
        """Wake the thread of a connection by its end."""
        del self._strangers[request]
        with suppress(OSError):
            request.shutdown(SHUT_RDWR)

    @property
    def address(self) -> str:
        """Where a browser finds the page, with the token."""
        return f"http://{ADDRESS}:{self.server_port}/#token={self.token}"

    def update(self) -> bool:
        """Read the data and send what has changed; returns whether that is anything."""
        return self.feed.put(self.read())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that goes away is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "graphnet", ""
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def do_GET(self) -> None:
        """Answer with the page or with the stream."""
        hosts = self.headers.get_all("Host") or []
        if len(hosts) != 1 or hosts[0].strip().lower() not in self.server.hosts:
            self.send_error(403, "Forbidden", "wrong Host")
        elif self.headers.get("Origin", f"http://{hosts[0].strip().lower()}") not in self._origins():
            self.send_error(403, "Forbidden", "wrong Origin")
        elif self.path == "/":
            self._answer(200, "text/html; charset=utf-8", self.server.page.encode())
        elif self.path == "/nonce":
            self._answer(200, "text/plain; charset=utf-8", self.server.nonce.encode())
        elif self.path != "/events":
            self.send_error(404, "Not Found", "no such page")
        elif not self._has_token(hosts[0].strip().lower()):
            self.send_error(401, "Unauthorized", "the token of the address is missing or wrong")
        elif not self.server.streams.acquire(blocking=False):
            self.send_error(503, "Service Unavailable", "too many pages are open")
        else:
            try:
                self.server.trust(self.connection)
                self._stream()
            finally:
                self.server.streams.release()

    def _origins(self) -> set[str]:
        return {f"http://{host}" for host in self.server.hosts}

    def _has_token(self, host: str) -> bool:
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        shown = f"Proof {proof(self.server.token, self.server.nonce, host)}"
        whole = f"Bearer {self.server.token}"
        return hmac.compare_digest(given, shown.encode()) | hmac.compare_digest(given, whole.encode())

    def _stream(self) -> None:
        """Send all data, then what has changed, until the client or the server ends."""
        self._head(200, "text/event-stream; charset=utf-8")
        seen = 0
        sent: dict[str, Any] = {}
        while not self.server.feed.closed:
            found = self.server.feed.wait(seen, PAUSE)
            if found is None:
                self._write(": no news\n\n")
                continue
            seen, data = found
            self._write(event("data" if sent else "all", difference(sent, data)))
            sent = dict(data)

    def _write(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()

    def _head(self, status: int, kind: str, length: int | None = None) -> None:
        self.close_connection = True
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Cache-Control": "no-store",
            "Connection": "close",
            "Content-Security-Policy": f"{self.server.policy}; frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        if length is not None:
            headers["Content-Length"] = str(length)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self._head(status, kind, len(content))
        if self.command != "HEAD":
            self.wfile.write(content)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with a line of text; nothing of the request is in it. Unknown methods are not allowed."""
        code, words = (405, "only GET is allowed") if code == 501 else (code, explain or "not understood")
        self.command = getattr(self, "command", None) or "GET"
        self.request_version = getattr(self, "request_version", None) or "HTTP/1.1"
        self._answer(code, "text/plain; charset=utf-8", f"graphnet watch: {words}\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Write no log."""


def event(name: str, data: Mapping[str, Any]) -> str:
    """An event of a stream, with JSON as its data.

    Examples
    --------
    >>> event("data", {"a": "b\\nc"})
    'event: data\\ndata: {"a":"b\\\\nc"}\\n\\n'
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))  # ASCII on one line
    return f"event: {name}\ndata: {text}\n\n"


@contextmanager
def serve(
    read: Callable[[], Mapping[str, Any]], port: int = 0, *, token: str | None = None, other: bool = False
) -> Iterator[Server]:
    """A running :class:`Server`, closed after the block; nothing is read before its ``update`` is called.

    Raises
    ------
    ConfigError
        If the port cannot be used.
    """
    with Server(read, port, token=token, other=other) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True, name="graphnet watch")
        thread.start()
        try:
            yield server
        finally:
            server.feed.close()
            server.shutdown()
            thread.join()
