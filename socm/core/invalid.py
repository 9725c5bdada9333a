"""How a validator of a model says what is wrong, with a code and a hint for the user."""

from __future__ import annotations

from pydantic_core import PydanticCustomError


def invalid(code: str, message: str, hint: str | None = None) -> PydanticCustomError:
    """Return the error that a validator raises: it becomes a diagnostic with this code and hint."""
    context = {"message": message} if hint is None else {"message": message, "hint": hint}
    return PydanticCustomError(code, "{message}", context)
