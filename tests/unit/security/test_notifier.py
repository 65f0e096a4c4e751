"""Messages leave by TLS to a server that proves its name, by a gateway, or into a file."""

import asyncio
import datetime as dt
import ipaddress
import json
import ssl
import stat
from contextlib import asynccontextmanager

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.core.config import Settings
from app.security.notifier import (
    FileNotifier,
    NotSent,
    SmtpNotifier,
    WebhookNotifier,
    link_message,
    notice_message,
    notifier_of,
)

MESSAGE = link_message("anna@example.org", locale="ar", link="https://rapport.test/account/link/x")


@pytest.fixture
def certificate(tmp_path):
    """A file with the key and certificate of 127.0.0.1, signed by nobody but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "mail.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@asynccontextmanager
async def mail_server(certificate=None):
    """A mail server (RFC 5321, RFC 3207): its port, and what it was told line by line."""
    heard = []

    async def serve(reader, writer):
        async def say(text):
            writer.write(text.encode() + b"\r\n")
            await writer.drain()

        await say("220 mail")
        try:
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                heard.append(line)
                word = line.split()[0].upper()
                if word == "EHLO":
                    offer = "STARTTLS" if certificate else "SIZE"
                    await say(f"250-mail\r\n250 {offer}")
                elif word == "STARTTLS":
                    await say("220 go on")
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(certificate)
                    await writer.start_tls(context)
                elif word == "DATA":
                    await say("354 go on")
                    while (line := (await reader.readline()).decode().rstrip("\r\n")) != ".":
                        heard.append(line)
                    await say("250 taken")
                elif word == "QUIT":
                    await say("221 bye")
                    break
                else:
                    await say("250 yes")
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


async def test_mail_goes_to_a_server_whose_certificate_counts(certificate):
    async with mail_server(certificate) as (port, heard):
        trusting = SmtpNotifier(
            host="127.0.0.1", port=port, sender="clinic@example.org", ca_file=certificate
        )
        await trusting.send(MESSAGE)
    assert heard.index("STARTTLS") < heard.index("To: anna@example.org")


async def test_whoever_else_answers_gets_no_link(certificate):
    async with mail_server(certificate) as (port, heard):
        careful = SmtpNotifier(host="127.0.0.1", port=port, sender="clinic@example.org")
        with pytest.raises(NotSent):
            await careful.send(MESSAGE)
    async with mail_server() as (port, plain):
        with pytest.raises(NotSent):
            await SmtpNotifier(host="127.0.0.1", port=port, sender="c@example.org").send(MESSAGE)
    assert not [line for line in heard + plain if line.upper().startswith(("MAIL", "DATA"))]


async def test_a_gateway_gets_the_message_and_proof_of_who_sends_it():
    asked = []

    def answer(request):
        asked.append(request)
        return httpx.Response(202 if len(asked) == 1 else 500)

    gateway = WebhookNotifier(
        url="https://gateway.example.org/send", secret="s", transport=httpx.MockTransport(answer)
    )
    await gateway.send(MESSAGE)
    assert asked[0].headers["authorization"] == "Bearer s"
    assert set(json.loads(asked[0].content)) == {"to", "subject", "text"}
    with pytest.raises(NotSent):
        await gateway.send(MESSAGE)


async def test_a_file_is_its_owner_s_alone(tmp_path):
    path = tmp_path / "new" / "messages.ndjson"
    await FileNotifier(path).send(MESSAGE)
    await FileNotifier(path).send(notice_message("anna@example.org", locale="en"))
    assert len(path.read_text().splitlines()) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_settings_choose(tmp_path):
    token = tmp_path / "token"
    token.write_text("s\n")
    mail = {"smtp_host": "mail.example.org", "smtp_sender": "clinic@example.org"}
    gateway = {"notify_url": "https://gateway.example.org", "notify_token_file": token}
    chosen = {
        SmtpNotifier: mail,
        WebhookNotifier: gateway,
        FileNotifier: {},
    }
    for kind, given in chosen.items():
        settings = Settings(base_url="https://x.example.org", data_dir=tmp_path, **given)
        assert type(notifier_of(settings)) is kind
        assert settings.refusals() == []
    assert settings_of(tmp_path, mail | {"smtp_sender": ""}) == [
        "RAPPORT_SMTP_HOST needs RAPPORT_SMTP_SENDER"
    ]
    assert settings_of(tmp_path, {"notify_url": "http://gateway.example.org"}) == [
        "RAPPORT_NOTIFY_URL must be https in production",
        "RAPPORT_NOTIFY_URL needs RAPPORT_NOTIFY_TOKEN_FILE",
    ]


def settings_of(data_dir, given):
    return Settings(base_url="https://x.example.org", data_dir=data_dir, **given).refusals()


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_words_give_nothing_away(locale):
    for message in (
        link_message("a@x.org", locale=locale, link=""),
        notice_message("a@x.org", locale=locale),
    ):
        for telling in ("rapport", "therap", "clinic", "password", "session", "علاج", "عيادة"):
            assert telling not in (message.subject + message.text).lower()
