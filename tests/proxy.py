"""A proxy between llamactl and a server: it measures what statements return, and can swallow everything."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass
class Answer:
    """What the server sent for one statement, in bytes."""

    text: str
    size: int
    inside: bool
    """A transaction is open afterwards."""


@dataclass
class Proxy:
    """On 127.0.0.1, for as many connections as come."""

    server: dict[str, Any]
    answers: list[Answer] = field(default_factory=list)
    cut_at: int | None = None
    """Both sides are disconnected at this answer, by its number from 1."""
    cut_delivers: bool = False
    """That answer gets through."""
    _swallowing: threading.Event = field(default_factory=threading.Event)
    _sockets: list[socket.socket] = field(default_factory=list)

    def swallow(self) -> None:
        """From now on nothing gets through, either way, and nobody is told."""
        self._swallowing.set()

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = listener.accept()
                upstream = self._connected()
                self._sockets += [client, upstream]
                measure = _Measure(self.answers)
                for source, target, seen in (
                    (client, upstream, measure.sent),
                    (upstream, client, measure.returned),
                ):
                    threading.Thread(target=self._pump, args=(source, target, seen), daemon=True).start()

    def _connected(self) -> socket.socket:
        host, port = self.server["host"], self.server.get("port", "5432")
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(f"{host}/.s.PGSQL.{port}")
        return upstream

    def _pump(self, source: socket.socket, target: socket.socket, seen: Callable[[bytes], None]) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if not self._swallowing.is_set():
                    seen(data)
                    cut = self.cut_at is not None and len(self.answers) >= self.cut_at
                    if self.cut_delivers or not cut:
                        target.sendall(data)
                    if cut:
                        self.cut()
            if not self._swallowing.is_set():
                target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Disconnects everybody; who comes again gets through."""
        self.cut_at = None
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for one in self._sockets:
            one.close()


class _Measure:
    """Reads both directions of one connection: which statement it was, and how much it returned."""

    def __init__(self, answers: list[Answer]) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._from_client, self._from_server = b"", b""
        self._started = False
        self._text = ""
        self._size = 0

    def sent(self, data: bytes) -> None:
        with self._lock:
            self._from_client += data
            if not self._started:
                length = int.from_bytes(self._from_client[:4])
                self._from_client, self._started = self._from_client[length:], True
            for kind, body in self._messages("_from_client"):
                if kind == b"Q":
                    self._text = body.rstrip(b"\0").decode()
                elif kind == b"P":
                    self._text = body.split(b"\0")[1].decode()

    def returned(self, data: bytes) -> None:
        with self._lock:
            self._from_server += data
            for kind, body in self._messages("_from_server"):
                self._size += 5 + len(body)
                if kind == b"Z":
                    self._answers.append(Answer(self._text, self._size, body == b"T"))
                    self._size = 0

    def _messages(self, buffer: str) -> Iterator[tuple[bytes, bytes]]:
        while len(data := getattr(self, buffer)) >= 5:
            end = 1 + int.from_bytes(data[1:5])
            if len(data) < end:
                return
            setattr(self, buffer, data[end:])
            yield data[:1], data[5:end]


@contextmanager
def proxied(dsn: str) -> Iterator[tuple[str, Proxy]]:
    """A conninfo that goes through a proxy, and the proxy."""
    proxy = Proxy(conninfo_to_dict(dsn))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        port = listener.getsockname()[1]
        plain = {"sslmode": "disable", "gssencmode": "disable"}
        try:
            yield make_conninfo(dsn, host="127.0.0.1", port=port, **plain), proxy
        finally:
            proxy.close()
