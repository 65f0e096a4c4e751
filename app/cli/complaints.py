"""What a command tells the operator when it cannot go on."""

from __future__ import annotations

from pydantic import ValidationError

from app.core.errors import AppError
from app.db.engine import DatabaseBusy
from app.security.root_key import KeyUnavailable


def of(error: Exception) -> list[str]:
    """Every reason, in words without values; empty for a fault of the program itself."""
    match error:
        case AppError():
            return [issue.diagnostics for issue in error.issues]
        case ValidationError():
            return [f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors()]
        case KeyUnavailable():
            return [f"{error}; `rapport keys create-root` makes a new installation's"]
        case FileExistsError():
            return [f"{error.filename} exists"]
        case DatabaseBusy() | ConnectionError():
            return ["the database does not answer"]
        case _:
            return []


def _variable(place: tuple[int | str, ...]) -> str:
    name = str(place[0]) if place else ""
    return name if name.isupper() else f"RAPPORT_{name.upper()}"
