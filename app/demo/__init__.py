"""The demo clinic: two tenants with people, courses of therapy and sessions.

Everything is written through the interactions that clients use. Keys and passwords are new
for each installation and are written once to ``<data dir>/demo/credentials.json``.
"""

from app.demo.loading import load

__all__ = ["load"]
