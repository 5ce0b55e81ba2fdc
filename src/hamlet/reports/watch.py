"""The live report page of runs that are training.

The server accepts requests from this machine only. It creates the page again when files of the runs change.
"""

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
# Seconds between two checks of the files, and between two recordings of the agents. A recording competes with training
# for the processor.
_LOOK_SECONDS, _FILM_SECONDS = 1.0, 60.0


class WatchedRuns:
    """The report document of runs, updated at most one or two seconds after a change.

    Args:
        paths: Directories of runs, or directories that contain the runs of several seeds.
        film: A function that records the agents for the animations; None for a page without animations.

    Raises:
        RequestError: A path contains no run.
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
        """Return the current document."""
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
        """An identifier that changes whenever the document changes."""
        return self._stamp

    def _refilm(self, readings: Sequence[Any]) -> None:
        """Record the agents again in the background, if there are newer checkpoints and a minute has passed."""
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
    """Return an identifier that changes whenever the files or the state of a run change."""
    fingerprint = [filmed]
    for reading in readings:
        fingerprint += [str(reading.path), reading.state]
        for name in ("config.json", "metrics.sqlite", "evaluation.json"):
            with contextlib.suppress(OSError):
                status = (reading.path / name).stat()
                fingerprint.append(f"{name} {status.st_mtime_ns} {status.st_size}")
    return hashlib.sha256("\n".join(fingerprint).encode()).hexdigest()[:20]


def server(watched: WatchedRuns, port: int) -> ThreadingHTTPServer:
    """Return a server for the page on the loopback address. The caller starts it with `serve`.

    Args:
        watched: The runs to report.
        port: Port of the server, in [0, 65535]; 0 for any free port.

    Raises:
        RequestError: The port is in use, or is not a valid port.
    """

    class Handler(BaseHTTPRequestHandler):
        """Answers requests for the page and its data, if their host is this machine."""

        def do_GET(self) -> None:
            # Protects against DNS rebinding: a foreign page whose host name resolves to this machine still sends its
            # own host name.
            name = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
            if name not in (HOST, "localhost"):
                self._answer(403, b"this server accepts requests from this machine only\n", "text/plain")
            elif self.path.partition("?")[0] == "/":
                self._answer(200, page.render(watched.document()).encode(), "text/html")
            elif self.path.partition("?")[0] == "/report.json":
                self._changed()
            else:
                self._answer(404, b"not found; the available paths are / and /report.json\n", "text/plain")

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
            """Log nothing, because an open page sends a request every two seconds."""

    if not 0 <= port < 2**16:
        raise RequestError(f"--port must be in [0, {2**16 - 1}], got {port}")
    try:
        http_server = ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise RequestError(
            f"port {port} cannot be opened: {one_line(error)}; try --port {port + 1}, or --port 0 for any free port"
        ) from error
    http_server.daemon_threads = True
    return http_server


def serve(http_server: ThreadingHTTPServer) -> None:
    """Serve until Ctrl-C.

    Raises:
        RunError: The server stopped with an error.
    """
    try:
        http_server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise RunError(f"the report server stopped: {one_line(error)}") from error
    finally:
        http_server.server_close()
