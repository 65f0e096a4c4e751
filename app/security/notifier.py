"""Telling a person something outside the browser, in words that give nothing away.

One port for everything that is sent: an e-mail, a call to the clinic's own gateway, or a line in
a file where nothing may leave (the demo). Whoever sees the message learns that there is a link,
and not what it is about.
"""

from __future__ import annotations

import asyncio
import os
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol

import httpx

from app.core.config import Settings
from app.fhir import json

_TIMEOUT: Final = 10.0

# The link is the only thing that differs.
_SUBJECTS: Final[Mapping[str, str]] = {"en": "A link for you", "ar": "رابط لك"}
_BODIES: Final[Mapping[str, str]] = {
    "en": "Here is the link that was asked for. It works once.\n\n{link}\n",
    "ar": "هذا هو الرابط المطلوب. وهو صالح لمرة واحدة.\n\n{link}\n",
}
_NOTICES: Final[Mapping[str, str]] = {
    "en": "Something changed in how you sign in. If that was not you, tell us.\n",
    "ar": "تغيّر شيء في طريقة تسجيل دخولك. إن لم تكن أنت من فعل ذلك فأخبرنا.\n",
}
_REMINDERS: Final[Mapping[str, tuple[str, str]]] = {
    "en": ("A reminder", "Something is still waiting for you where you left it.\n"),
    "ar": ("تذكير", "ما زال هناك شيء بانتظارك حيث تركته.\n"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: to one address, in the reader's language."""

    to: str
    subject: str
    text: str


class NotSent(Exception):
    """The message did not leave."""


class Notifier(Protocol):
    """Sends messages."""

    async def send(self, message: Message) -> None:
        """Hands a message over, or raises ``NotSent``."""
        ...


def link_message(to: str, *, locale: str, link: str) -> Message:
    """A link for somebody, for a reason that only they know."""
    return Message(to, _SUBJECTS[locale], _BODIES[locale].format(link=link))


def notice_message(to: str, *, locale: str) -> Message:
    """A warning that credentials changed or were used strangely."""
    return Message(to, _SUBJECTS[locale], _NOTICES[locale])


def reminder_message(to: str, *, locale: str) -> Message:
    """A word that something waits, which only they know what."""
    subject, text = _REMINDERS[locale]
    return Message(to, subject, text)


def notifier_of(settings: Settings) -> Notifier:
    """The way that the settings name: a mail server, else a gateway, else a file."""
    if settings.smtp_host:
        return SmtpNotifier(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=settings.smtp_sender,
            username=settings.smtp_username,
            password=settings.smtp_password,
            ca_file=settings.smtp_ca_file,
        )
    if settings.notify_url:
        return WebhookNotifier(url=settings.notify_url, secret=settings.notify_token)
    return FileNotifier(settings.data_dir / "messages.ndjson")


class FileNotifier:
    """Appends messages to a file, one JSON object a line, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, message: Message) -> None:
        """Appends a message."""
        await asyncio.to_thread(self._append, json.dumps(asdict(message)) + b"\n")

    def _append(self, line: bytes) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "ab") as file:
                file.write(line)
        except OSError:
            raise NotSent from None


class SmtpNotifier:
    """Sends by a mail server, over TLS."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: str,
        username: str = "",
        password: str = "",
        ca_file: Path | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._sender = sender
        self._username = username
        self._password = password
        # smtplib by itself would take any certificate, and whoever answers would get the links.
        self._trust = ssl.create_default_context()
        if ca_file is not None:
            self._trust.load_verify_locations(ca_file)

    async def send(self, message: Message) -> None:
        """Sends a message."""
        await asyncio.to_thread(self._send, message)

    def _send(self, message: Message) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._sender, message.to, message.subject
        mail.set_content(message.text)
        try:
            with smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT) as server:
                server.starttls(context=self._trust)
                if self._username:
                    server.login(self._username, self._password)
                server.send_message(mail)
        except (OSError, smtplib.SMTPException):
            raise NotSent from None


class WebhookNotifier:
    """Posts messages as JSON to the clinic's own gateway (text messages, a queue)."""

    def __init__(
        self, *, url: str, secret: str, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = url
        self._secret = secret
        self._transport = transport

    async def send(self, message: Message) -> None:
        """Posts a message."""
        headers = {
            "Authorization": f"Bearer {self._secret}",
            "Content-Type": "application/json",
        }
        try:
            async with httpx.AsyncClient(
                transport=self._transport, timeout=_TIMEOUT, trust_env=False
            ) as client:
                answer = await client.post(
                    self._url, content=json.dumps(asdict(message)), headers=headers
                )
                answer.raise_for_status()
        except httpx.HTTPError:
            raise NotSent from None
