"""What an error of the server says about the rows that were sent."""

from __future__ import annotations

from enum import Enum, auto

import psycopg


class Concern(Enum):
    """What an error is about."""

    CONNECTION = auto()
    """The connection was lost, or there is none: all rows wait."""
    MOMENT = auto()
    """A temporary condition, such as a lock or a full disk; but a trigger can make it last for one row."""
    STATEMENT = auto()
    """The statement: a missing privilege or function; but a trigger can make it depend on the row."""
    ROW = auto()
    """A row, which is always refused in this shape."""


_MOMENT = {"08", "25", "28", "3D", "40", "53", "55", "57", "58", "F0", "XX"}
_STATEMENT = {
    *("00", "01", "02", "03", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "24", "26", "2B", "2D", "2F"),
    *("34", "38", "39", "3B", "3F", "42", "72", "HV"),
}
"""All other SQLSTATE classes of Postgres are about rows, and so are those that users define."""
_DENIED, _COMPLETION_UNKNOWN = "42501", "40003"
_POLICY_CHECK = "ExecWithCheckOptions"
"""The server's function that applies row-level policies; its SQLSTATE is that of a missing privilege."""


def server_refused(error: BaseException | None) -> bool:
    """Whether the server itself answered with an error, so that the transaction is rolled back."""
    return (
        isinstance(error, psycopg.Error)
        and error.diag.severity_nonlocalized == "ERROR"
        and not (error.sqlstate or "08").startswith("08")
        and error.sqlstate != _COMPLETION_UNKNOWN
    )


def concern(error: psycopg.Error) -> Concern:
    """Returns what an error is about."""
    state = error.sqlstate or ""
    if error.diag.severity_nonlocalized != "ERROR":
        return Concern.CONNECTION
    if state[:2] in _MOMENT:
        return Concern.MOMENT
    if state == _DENIED and error.diag.source_function == _POLICY_CHECK:
        return Concern.ROW
    return Concern.STATEMENT if state[:2] in _STATEMENT else Concern.ROW
