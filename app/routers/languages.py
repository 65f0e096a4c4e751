"""Which of the languages that we speak a request asks for."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from app.routers.fields import fields_of

LANGUAGES: Final = ("en", "ar")
_MOST: Final = 10


def spoken(request: Request) -> str:
    """The first language of ``Accept-Language`` that is one of ours, else English."""
    for part in fields_of(request.scope).get("accept-language", "").split(",")[:_MOST]:
        tag = part.partition(";")[0].strip().partition("-")[0].lower()
        if tag in LANGUAGES:
            return tag
    return LANGUAGES[0]
