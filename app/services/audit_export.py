"""The whole log as the files that ``examples/verify-audit`` verifies without the server."""

from __future__ import annotations

from collections.abc import AsyncIterator

from app.services.audit_proofs import Proofs


async def exported(proofs: Proofs) -> AsyncIterator[tuple[str, bytes]]:
    """Names of files and pieces of them: ``checkpoint``, ``key``, ``entries.ndjson``."""
    checkpoint = await proofs.checkpoint()
    yield "checkpoint", checkpoint.note.encode()
    yield "key", (await proofs.keys()).encode()
    yield "entries.ndjson", b""
    async for piece in proofs.entries(0, checkpoint.size):
        yield "entries.ndjson", piece
