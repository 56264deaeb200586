"""Typed values as they must be: unknown keys and values of another type are refused, nothing is coerced; said in one line."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Strict(BaseModel):
    """A mapping of typed fields, no NaN or infinity among them."""

    model_config = STRICT


def said(error: Exception) -> str:
    """What is wrong, in one line: of pydantic's complaints the first, with its place."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")]))
