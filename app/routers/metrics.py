"""``/metrics``: figures for whoever runs the server, in Prometheus's text format.

How many requests, how long they took, what waits. Labels are the server's own words, so a
figure tells of no person and no clinic. Read from the machine itself, or with the token of
``RAPPORT_METRICS_TOKEN_FILE``. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from fastapi import APIRouter, Request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.responses import Response

from app.core.clock import SECOND
from app.core.config import Settings
from app.core.errors import AppError, Category
from app.db.engine import DatabaseBusy
from app.interactions.relay import QUEUE
from app.routers.dependencies import services_of

router = APIRouter(include_in_schema=False)

_REQUESTS: Final = Counter(
    "rapport_requests", "Requests that were answered.", ("method", "endpoint", "status")
)
_SECONDS: Final = Histogram(
    "rapport_request_seconds",
    "Time to the end of an answer.",
    ("method", "endpoint"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def count(method: str, endpoint: str, *, status: int, seconds: float) -> None:
    """Adds one answered request; ``endpoint`` is one of the server's own words for it."""
    requests, times = _figures_of(method if method in _METHODS else "other", endpoint, status)
    requests.inc()
    times.observe(seconds)


@lru_cache(maxsize=1024)
def _figures_of(method: str, endpoint: str, status: int) -> tuple[Counter, Histogram]:
    return _REQUESTS.labels(method, endpoint, str(status)), _SECONDS.labels(method, endpoint)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The figures of all processes of this server."""
    services = services_of(request)
    _admit(request, services.settings)
    figures = _figures(services.settings)
    try:
        async with services.units.read(QUEUE) as unit:
            waiting, oldest = await unit.outbox.backlog(services.clock.now())
            events, first = await unit.events.backlog()
        age = (services.clock.now() - oldest) / SECOND if oldest is not None else 0
        since = (services.clock.now() - first) / SECOND if first is not None else 0
        figures.register(
            _Gauges(
                ("rapport_reactions_waiting", "Reactions not done yet.", waiting),
                ("rapport_reactions_age_seconds", "Age of the oldest.", age),
                ("rapport_deliveries_waiting", "Events not delivered yet.", events),
                ("rapport_deliveries_age_seconds", "Age of the oldest event.", since),
            )
        )
    except DatabaseBusy:
        pass  # the other figures say so
    return Response(generate_latest(figures), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Gauges(Collector):
    """Figures of this moment: name, words, value."""

    def __init__(self, *gauges: tuple[str, str, float]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[Metric]:
        for name, words, value in self._gauges:
            yield GaugeMetricFamily(name, words, value=value)


def _figures(settings: Settings) -> CollectorRegistry:
    figures = CollectorRegistry()
    if settings.metrics_dir is None:
        figures.register(REGISTRY)
    else:
        MultiProcessCollector(figures, str(settings.metrics_dir))  # type: ignore[no-untyped-call]
    return figures


def _admit(request: Request, settings: Settings) -> None:
    if _is_from_here(request):
        return
    token, given = settings.metrics_token, request.headers.get("authorization", "")
    if token and hmac.compare_digest(f"Bearer {token}".encode(), given.encode()):
        return
    raise AppError.of(Category.UNAUTHENTICATED, "login", "the figures are for the operator")


def _is_from_here(request: Request) -> bool:
    """Whether a program on this machine asks, and does not ask for another."""
    peer = request.client.host if request.client else ""
    try:
        is_loopback = ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
    return is_loopback and not any(name in request.headers for name in _FORWARDED)
