"""Every page, for ``main.py`` to mount."""

from __future__ import annotations

from app.pages import account, alliance, answer, audit, authorize, entering, login, me, passkeys

ROUTERS = (
    login.router,
    audit.router,
    authorize.router,
    account.router,
    passkeys.router,
    answer.router,
    alliance.router,
    entering.router,
    me.router,
)
