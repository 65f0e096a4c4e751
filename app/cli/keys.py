"""``rapport keys``: the root key, tenants' keys, and the keys that sign access tokens."""

from __future__ import annotations

from errno import EEXIST
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.accounts import do, keep, record, tenant_named
from app.core.clock import SECOND
from app.core.config import Settings

if TYPE_CHECKING:  # a command that is not run costs no start-up time
    from app.main import Core
    from app.services.key_rotation import KeyRotation

keys = typer.Typer(no_args_is_help=True, help="The root key, tenants' keys, and signing keys.")


@keys.command("create-root")
def keys_create_root() -> None:
    """Makes the root key of a new installation; keep a copy where the backups are not."""
    from app.core.ids import RandomIds
    from app.security.root_key import RootKey

    path = Settings().root_key
    if path.exists():
        raise FileExistsError(EEXIST, "exists", str(path))
    RootKey.ensure(path, RandomIds())
    typer.echo(f"root key: {path}")


@keys.command("rotate")
def keys_rotate(
    at_once: Annotated[
        bool, typer.Option(help="After a leak: the old keys and their tokens end now.")
    ] = False,
) -> None:
    """Makes a new signing key; it signs when verifiers have had time to see it."""
    from app.security.keyring import rotate_signing_key
    from app.security.ports import EventName

    async def run(core: Core) -> str:
        life = core.settings.access_token_seconds
        async with core.units.accounts.write() as uow:
            kid = await rotate_signing_key(
                uow.accounts.keys,
                root=core.root,
                now=core.clock.now(),
                publish_for=0 if at_once else 600 * SECOND,
                overlap=0 if at_once else (life + 60) * SECOND,
            )
        await record(core, EventName.KEY_ROTATED)
        return f"key {kid}"

    do(run)


@keys.command("rotate-root")
def keys_rotate_root(
    prepare: Annotated[
        bool, typer.Option(help="Only add the next key to the file, to copy it to all machines.")
    ] = False,
    finish: Annotated[
        bool, typer.Option(help="Forget the former keys: what is only under them is lost.")
    ] = False,
) -> None:
    """Puts a new root key in use and everything under it; the former one still opens."""

    async def run(core: Core) -> str:
        if prepare:
            core.root.prepare()
            await keep(core, "key-used", name="next root key")
            return "the next root key is in the file"
        if finish:
            await _rotation(core).finish()
            return f"root key {core.root.name} is the only one"
        wrapped, sealed = await _rotation(core).turn_root()
        return f"root key {core.root.name}: {wrapped} tenant keys and {sealed} secrets are under it"

    do(run)


@keys.command("rotate-tenant")
def keys_rotate_tenant(slug: str) -> None:
    """Gives a clinic a new key, which wraps the keys of its patients from now on."""

    async def run(core: Core) -> str:
        wrapped = await _rotation(core).turn_tenant(await tenant_named(core, slug))
        return f"{slug}: {wrapped} keys are under a new one"

    do(run)


def _rotation(core: Core) -> KeyRotation:
    from app.main import key_encryption, log_keys_of
    from app.services.key_rotation import KeyRotation

    return KeyRotation(
        core.units,
        core.trail,
        root=core.root,
        encryption=key_encryption(core.settings, core.root),
        log_keys=log_keys_of(core),
    )
