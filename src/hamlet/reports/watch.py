"""The page of runs while they train, served to this machine alone and made anew where their files have changed."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hamlet.checkpoints import checkpoint
from hamlet.errors import RequestError, RunError
from hamlet.files.atomic_write import one_line
from hamlet.reports import page
from hamlet.reports.data.run_data import read_all
from hamlet.reports.document import Document, gather
from hamlet.reports.report import Film

HOST = "127.0.0.1"
# Between two looks at the files, and between two recordings of the agents, which compute beside what trains.
_LOOK_SECONDS, _FILM_SECONDS = 1.0, 60.0


class WatchedRuns:
    """The document of some runs, up to date within a second or two.

    Args:
        paths: Directories of runs, or of several.
        film: What records the agents in motion; None for a page without them.

    Raises:
        RequestError: A path holds no run.
    """

    def __init__(self, paths: Sequence[str | Path], film: Film | None = None) -> None:
        self._paths, self._film = paths, film
        self._turn = threading.Lock()
        self._looked, self._stamp = 0.0, ""
        self._motions: Sequence[Any] = ()
        self._filmed, self._filmed_at = "", 0.0
        self._document: Document = {}
        self.document()

    def document(self) -> Document:
        """The newest."""
        with self._turn:
            if time.monotonic() - self._looked < _LOOK_SECONDS:
                return self._document
            readings = read_all(self._paths)
            self._refilm(readings)
            stamp = _stamp(readings, self._filmed)
            if stamp != self._stamp:
                known = {str(reading.path) for reading in readings if reading.config.get("environment") is not None}
                motions = [motion for motion in self._motions if motion["run"] in known]
                self._document = gather(readings, motions) | {"live": "report.json"}
                self._stamp = stamp
            self._looked = time.monotonic()
            return self._document

    @property
    def stamp(self) -> str:
        """What changes with the document."""
        return self._stamp

    def _refilm(self, readings: Sequence[Any]) -> None:
        """Record the agents anew, beside all else, where there are newer checkpoints and some time has passed."""
        if self._film is None or (self._filmed_at and time.monotonic() - self._filmed_at < _FILM_SECONDS):
            return
        steps = str([checkpoint.steps(reading.path / "checkpoints") for reading in readings])
        if steps == self._filmed or not any(checkpoint.steps(run.path / "checkpoints") for run in readings):
            return
        self._filmed_at = time.monotonic()
        film = self._film

        def work() -> None:
            motions = film(readings)
            with self._turn:
                self._motions, self._filmed, self._looked = motions, steps, 0.0

        threading.Thread(target=work, daemon=True).start()


def _stamp(readings: Sequence[Any], filmed: str) -> str:
    """What changes whenever a run's files or its state do."""
    fingerprint = [filmed]
    for reading in readings:
        fingerprint += [str(reading.path), reading.state]
        for name in ("config.json", "metrics.sqlite", "evaluation.json"):
            with contextlib.suppress(OSError):
                status = (reading.path / name).stat()
                fingerprint.append(f"{name} {status.st_mtime_ns} {status.st_size}")
    return hashlib.sha256("\n".join(fingerprint).encode()).hexdigest()[:20]


def server(watched: WatchedRuns, port: int) -> ThreadingHTTPServer:
    """What serves them on the loopback, at the port or with 0 at any free one; the caller lets it serve.

    Raises:
        RequestError: The port is taken, or is none.
    """

    class Handler(BaseHTTPRequestHandler):
        """Two pages, for requests that name this machine."""

        def do_GET(self) -> None:
            # A page from elsewhere whose name was turned to this machine would name its own host.
            name = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
            if name not in (HOST, "localhost"):
                self._answer(403, b"only this machine is served\n", "text/plain")
            elif self.path.partition("?")[0] == "/":
                self._answer(200, page.render(watched.document()).encode(), "text/html")
            elif self.path.partition("?")[0] == "/report.json":
                self._changed()
            else:
                self._answer(404, b"there is / and /report.json\n", "text/plain")

        def _changed(self) -> None:
            document = watched.document()
            if self.headers.get("If-None-Match") == f'"{watched.stamp}"':
                self._answer(304, b"", "application/json")
            else:
                self._answer(200, page.as_json(document).encode(), "application/json")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("ETag", f'"{watched.stamp}"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a reader asks every two seconds."""

    if not 0 <= port < 2**16:
        raise RequestError(f"--port must lie between 0 and {2**16 - 1}, not at {port}")
    try:
        http_server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise RequestError(f"port {port} cannot be served: {one_line(error)}; try --port {port + 1}, or 0") from error
    http_server.daemon_threads = True
    return http_server


def serve(http_server: ThreadingHTTPServer) -> None:
    """Serve until Ctrl-C.

    Raises:
        RunError: It can no longer serve.
    """
    try:
        http_server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise RunError(f"it can no longer serve: {one_line(error)}") from error
    finally:
        http_server.server_close()
