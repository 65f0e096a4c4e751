"""Structured logs: one JSON object a line, of what happened and never of what was said.

Control characters are escaped by JSON, so no value can forge a line.
"""

from __future__ import annotations

import logging
import sys

import orjson
import structlog
from structlog.typing import EventDict


def configure(*, level: int = logging.INFO) -> None:
    """Sends every log to standard error as JSON."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _rendered(_logger: object, _method: str, event: EventDict) -> bytes:
    return orjson.dumps(event, default=repr)
