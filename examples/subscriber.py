"""A subscriber's endpoint: prints what it is sent, a notification a line.

    python examples/subscriber.py PORT COUNT

It listens on this machine, and ends after so many notifications, or when none came for a minute.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = "Bearer of-the-subscriber"


class Endpoint(BaseHTTPRequestHandler):
    """Takes notifications of whoever knows the secret."""

    def do_POST(self) -> None:
        """Prints the Bundle and says that it was taken: any other answer brings it again."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        taken = self.headers["Authorization"] == SECRET
        if taken:
            print(body.decode(), flush=True)
        self.send_response(204 if taken else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps quiet."""


def main() -> None:
    """Listens."""
    server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Endpoint)
    server.timeout = 60
    for _ in range(int(sys.argv[2])):
        server.handle_request()


if __name__ == "__main__":
    main()
