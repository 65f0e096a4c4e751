"""What clients decide about their data is signed, version by version.

The person proved who they are when they signed in; the server says so in a Provenance, which
carries its signature over the stored bytes of the version (a detached JWS, RFC 7515 appendix F)
and is stored in the same commit. https://hl7.org/fhir/R4/signatures.html. What a person has
signed themselves no clinician can change, nor put another Consent in its place.
"""

from __future__ import annotations

import base64

from app.core.clock import Clock, format_instant
from app.core.errors import AppError, Category
from app.fhir.json import Tree
from app.fhir.registry import REGISTRY
from app.repositories.resources import StoredVersion
from app.repositories.unit_of_work import UnitOfWork
from app.search.visibility import Visible
from app.security import jose, keyring
from app.security.principal import Principal
from app.security.root_key import RootKey
from app.services.derived import Derived, derived_id

_PROVENANCE = REGISTRY["Provenance"].code
_TYPE = "urn:iso-astm:E1762-95:2013"
_CONSENT_SIGNATURE = "1.2.840.10065.1.12.1.7"
_AGENTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


class Signing:
    """Signs the Consents that clients write, and knows its signatures."""

    def __init__(self, *, derived: Derived, root: RootKey, clock: Clock) -> None:
        self._derived = derived
        self._root = root
        self._clock = clock

    async def check(self, uow: UnitOfWork, stored: StoredVersion, principal: Principal) -> None:
        """Raises ``forbidden`` for a person who may not change what a client signed."""
        if not await self.may_change(uow, stored, principal):
            raise AppError.of(
                Category.FORBIDDEN, "forbidden", "the client signed it and alone may change it"
            )

    async def may_change(
        self, uow: UnitOfWork, stored: StoredVersion, principal: Principal
    ) -> bool:
        """Whether a version is the caller's to follow: systems may correct anybody's."""
        if not principal.is_person or principal.role == "client":
            return True
        everything = Visible.everything(stored.tenant, reason="a signature is looked for")
        id = signature_id(stored.id, stored.version)
        return await uow.resources.read(_PROVENANCE, id, visible=everything) is None

    async def sign(self, uow: UnitOfWork, stored: StoredVersion, principal: Principal) -> None:
        """Stores the Provenance that carries the signature of a version."""
        now = self._clock.now()
        pair = await keyring.signing_pair(uow.accounts.keys, root=self._root, now=now)
        signature = jose.sign_detached(stored.text, pair)
        moment = format_instant(now)
        who = {"reference": principal.actor}
        tree: Tree = {
            "resourceType": "Provenance",
            "id": signature_id(stored.id, stored.version),
            # The person is named too, so that it is found with their record.
            "target": [{"reference": f"Consent/{stored.id}/_history/{stored.version}"}, who],
            "recorded": moment,
            "agent": [{"type": {"coding": [{"system": _AGENTS, "code": "author"}]}, "who": who}],
            "signature": [
                {
                    "type": [{"system": _TYPE, "code": _CONSENT_SIGNATURE}],
                    "when": moment,
                    "who": {"identifier": {"system": "urn:ietf:rfc:7638", "value": pair.kid}},
                    "onBehalfOf": who,
                    "targetFormat": "application/fhir+json",
                    "sigFormat": "application/jose",
                    "data": base64.b64encode(signature.encode()).decode(),
                }
            ],
        }
        await self._derived.store(uow, tree, tenant=stored.tenant)

    async def is_signed(self, uow: UnitOfWork, text: bytes, provenance: Tree) -> bool:
        """Whether a Provenance carries this server's signature over the bytes of a version."""
        try:
            data = base64.b64decode(provenance["signature"][0]["data"], validate=True).decode()
            key = await keyring.known_key(uow.accounts.keys, jose.kid_of_detached(data))
            jose.verify_detached(data, text, key)
        except (jose.TokenRefused, LookupError, ValueError):
            return False
        return True


def signature_id(consent: str, version: int) -> str:
    """The id of the Provenance that carries the signature of a version of a Consent."""
    return derived_id("consent-signature", consent, str(version))
