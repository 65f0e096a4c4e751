"""Serves with-fhirclient.html at a redirect address, and the library beside it (npm ci).

python examples/clients/serve_page.py [REDIRECT_URI]
"""

from __future__ import annotations

import http.server
import sys
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).parent


def main(redirect_uri: str = "http://127.0.0.1:9876/callback") -> None:
    where = urlsplit(redirect_uri)
    library = HERE / "node_modules" / "fhirclient" / "build" / "fhir-client.min.js"
    files = {
        where.path: (HERE / "with-fhirclient.html", "text/html"),
        "/fhir-client.js": (library, "text/javascript"),
    }

    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            file, kind = files.get(urlsplit(self.path).path, (None, "text/plain"))
            self.send_response(404 if file is None else 200)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"" if file is None else file.read_bytes())

        def log_message(self, format: str, *words: object) -> None:
            """Says nothing: the address may hold a code."""

    with http.server.ThreadingHTTPServer((where.hostname or "", where.port or 80), Files) as server:
        print(redirect_uri, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
