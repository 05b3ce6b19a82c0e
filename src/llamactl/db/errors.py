"""Translates the driver's exceptions to LlamactlError: a code, one line, and what to do next."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from psycopg import errors

from llamactl.config.dsn import Dsn
from llamactl.db.target import Target
from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles.quoting import ident

CHECK_ERROR = errors.CheckViolation
LOCK_ERRORS = (errors.LockNotAvailable, errors.DeadlockDetected)
"""55P03 and 40P01: another attempt may succeed."""

_LOST_STATES = ("08", "57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04")
"""Prefixes of the SQLSTATEs that mean that the connection was lost or never established."""

_WAITED_IN_VAIN = ("25P03", "57P05")
"""SQLSTATEs of the server's timeouts for idle clients."""

_CONNECT_HINTS = (
    ("password authentication failed", "Check the user and the password"),
    ("no password supplied", "Add the password to the URL, to ~/.pgpass or to PGPASSWORD"),
    (r'(?:database|role) ".*" does not exist', "Check the names of the database and the user"),
    ("connection refused|no such file", "Check that the server is running, and check the host and port"),
    ("translate host name|resolve host", "Check the host name"),
    (
        "unsupported startup parameter",
        "The pooler does not support it: delete `options=...` from the URL, or use the direct URL",
    ),
    (
        "(?:invalid value for|unrecognized configuration) parameter|requires a value",
        "Correct or remove it in the `options` of the URL or in PGOPTIONS",
    ),
    (
        "timeout expired|timed out",
        "Check for a firewall, or set connect_timeout=30 in the URL to wait longer",
    ),
    ("too many|connection slots", "Try again later, or close unused connections"),
    (
        "no pg_hba.conf entry",
        "Allow this combination of user, database, address and encryption in pg_hba.conf, or use another",
    ),
    (
        "root certificate|certificate verify failed",
        "Set sslrootcert=FILE to the CA certificate, or sslrootcert=system to use the system's certificates",
    ),
    ("SSL", "Check the sslmode in the URL: disable, prefer, require or verify-full"),
    ("starting up|shutting down|recovery mode|not yet accepting", "Try again in a moment"),
)

_STATEMENT_MODE = "^(?:transaction blocks not allowed in statement pooling|long transactions not allowed)"
"""What pgbouncer reports as it closes the connection, today and before 1.8."""

_WRONG_PARAMETER = "^invalid |unsupported startup parameter|unrecognized configuration|requires a value$"


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of an error, for its message."""

    target: Target
    dsn: Dsn
    where: str
    """The SQL file, or the operation."""
    statement_timeout_ms: int = 0
    closed: bool = False
    """The connection is closed."""
    farewell: tuple[str | None, str | None] = (None, None)
    """SQLSTATE and message that the server sent as it ended the session; see liveness.Farewell."""
    of_client: str = ""
    """libpq's error message for the connection; the exception may contain less."""


def not_connected(exc: errors.Error, target: Target, dsn: Dsn) -> LlamactlError:
    """Returns the error for a failed connection attempt. Always one line, without the password."""
    reason = _reason(dsn.scrub(str(exc)))
    hint = next((hint for words, hint in _CONNECT_HINTS if re.search(words, reason, re.IGNORECASE)), "")
    # An invalid parameter, which libpq rejects before it connects, or else the server does.
    wrong = isinstance(exc, errors.ProgrammingError) or re.search(_WRONG_PARAMETER, reason)
    code = ErrorCode.CONFIG if wrong else ErrorCode.CONNECTION
    return LlamactlError(
        code, f"Cannot connect to {target}: {reason}", hint or f"The connection is from {dsn.source}"
    )


def _reason(text: str) -> str:
    """Returns the most informative line: the server's own refusal, if one of several addresses sent one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "FATAL:" in line] or lines or ["no reason given"]
    reason = re.sub(r"^.*?FATAL:\s*", "", told[0])
    reason = re.sub(r"^(?:connection failed: |connection is bad: )+", "", reason)
    return re.sub(r"^connection to server .*? failed: (?:error: )?", "", reason)


def translate(exc: errors.Error, context: Context) -> LlamactlError:
    """Returns the error for an exception on an open connection.

    A statement_timeout is `busy`: no lock or connection failed, and a retry or a longer timeout may succeed.
    A full disk, or a lack of memory on the server or on this machine, is `connection`: nothing is wrong with
    the command, only with its environment. Both exit with 3.
    """
    state = exc.sqlstate or context.farewell[0] or ""
    told = exc.diag.message_primary or context.farewell[1] or str(exc).partition("\n")[0]
    text = context.dsn.scrub(told)
    if not state and re.search(_NO_MEMORY, f"{text} {context.of_client}", re.IGNORECASE):
        return out_of_memory(context.where)
    if re.search(_STATEMENT_MODE, text, re.IGNORECASE):
        return LlamactlError(
            ErrorCode.CONFIG,
            f"The connection to {context.target} goes through a pooler in statement mode, which rejects "
            f"transactions: {text}",
            "Use the direct URL of the database (--dsn or DIRECT_URL)",
        )
    if state.startswith(_LOST_STATES) or context.closed:
        return _lost(text, state, context)
    if isinstance(exc, errors.LockNotAvailable):
        return LlamactlError(
            ErrorCode.LOCK, "Timed out waiting for a lock", "Try again when the load is lower"
        )
    if isinstance(exc, errors.DeadlockDetected):
        return LlamactlError(
            ErrorCode.LOCK, "Deadlock with another session, which was allowed to continue", "Try again"
        )
    if isinstance(exc, errors.QueryCanceled):
        return _cancelled(text, context)
    if isinstance(exc, errors.InsufficientPrivilege):
        return _forbidden(exc, text, context)
    if state.startswith("53"):
        return _exhausted(exc, text, context)
    return _refused(exc, text, state, context)


_NO_MEMORY = "out of memory|cannot allocate memory|insufficient memory"
"""libpq's messages; those of the server have a SQLSTATE."""


def is_out_of_memory(exc: BaseException) -> bool:
    """Returns whether the operating system could not provide memory, including memory for a thread."""
    no_thread = isinstance(exc, RuntimeError) and "start new thread" in str(exc)
    return isinstance(exc, MemoryError) or no_thread or getattr(exc, "errno", None) == errno.ENOMEM


def out_of_memory(where: str = "") -> LlamactlError:
    """Returns the error for a lack of memory on the machine that llamactl runs on."""
    return LlamactlError(
        ErrorCode.CONNECTION,
        "llamactl ran out of memory on the machine that it runs on" + (f" ({where})" if where else ""),
        "Run it where more memory is free, or raise its memory limit (ulimit -v, or that of the container)",
    )


def _lost(text: str, state: str, context: Context) -> LlamactlError:
    if state in _WAITED_IN_VAIN:
        hint = "llamactl was suspended, or could not reach the server, for too long: rerun the command"
    else:
        hint = "Check the server's log, then try again"
    message = f"The connection to {context.target} was lost: {_reason(text)}"
    return LlamactlError(ErrorCode.CONNECTION, message, hint)


def _cancelled(text: str, context: Context) -> LlamactlError:
    # Both cases have SQLSTATE 57014, and the message may be in any language.
    if "statement timeout" in text or (context.statement_timeout_ms and "user request" not in text):
        return LlamactlError(
            ErrorCode.BUSY,
            f"A statement reached the statement_timeout and was cancelled ({context.where})",
            "Increase --statement-timeout, or omit it",
        )
    return LlamactlError(
        ErrorCode.CONNECTION,
        f"A statement was cancelled on the server by another session ({context.where}): {text}",
        "Find out who cancelled it (pg_cancel_backend, or a tool that ends long statements), then try again",
    )


def _forbidden(exc: errors.Error, text: str, context: Context) -> LlamactlError:
    # The function's name identifies the error; the message may be in any language.
    if exc.diag.source_function == "check_enable_rls":
        return LlamactlError(
            ErrorCode.PERMISSION,
            f"A row-level security policy would hide rows from {context.target.role}: {text}",
            "Connect as the table's owner (where row security is not forced) or as a role with BYPASSRLS",
        )
    # The object in the message cannot be parsed: it is not quoted, and the message may be in any language.
    return LlamactlError(
        ErrorCode.PERMISSION,
        f"{context.target.role} lacks a privilege ({context.where}): {text}",
        "`llamactl preflight` lists the privileges that a migration needs; your own triggers may need more",
    )


def _exhausted(exc: errors.Error, text: str, context: Context) -> LlamactlError:
    """Returns the error for SQLSTATE class 53: the server ran out of a resource."""
    if isinstance(exc, errors.DiskFull):
        return LlamactlError(
            ErrorCode.CONNECTION, f"The server's disk is full: {text}", "Free disk space, then try again"
        )
    if isinstance(exc, errors.ConfigurationLimitExceeded):  # a retry would exceed the limit again
        return LlamactlError(
            ErrorCode.CONFIG,
            f"A statement exceeded a limit of the server ({context.where}): {text}",
            f"Have a superuser raise the limit, for example: "
            f"ALTER ROLE {ident(context.target.user)} SET temp_file_limit = -1;",
        )
    return LlamactlError(ErrorCode.CONNECTION, f"The server ran out of a resource: {text}", "Try again later")


def _refused(exc: errors.Error, text: str, state: str, context: Context) -> LlamactlError:
    if isinstance(exc, errors.ReadOnlySqlTransaction):
        return LlamactlError(
            ErrorCode.PERMISSION,
            f"The connection is read-only: {text}",
            f"If {context.target.host} is a standby, connect to the primary",
        )
    if isinstance(exc, errors.SerializationFailure):
        return LlamactlError(
            ErrorCode.BUSY,
            f"The server aborted a statement because of a conflict ({context.where}): {text}",
            "Try again; on a standby, max_standby_streaming_delay sets how long replay waits for readers",
        )
    if isinstance(exc, errors.UntranslatableCharacter | errors.CharacterNotInRepertoire):
        return LlamactlError(ErrorCode.CONFIG, f"The database's encoding cannot represent a value: {text}")
    if isinstance(exc, errors.DataError) and not state:  # raised by the driver: a NUL, a year after 9999
        return LlamactlError(ErrorCode.CONFIG, f"{context.where}: {text}")
    if refuses_rows(exc) or state.startswith(_LIMITS):
        return LlamactlError(
            ErrorCode.CONFIG,
            f"The database rejected a change ({context.where}): {text}",
            "Run llamactl preflight, which lists triggers, constraints and limits of the server",
        )
    if _changed_by_others(exc, text):
        return LlamactlError(
            ErrorCode.BUSY,
            f"Another session changed an object that the command uses ({context.where}): {text}",
            "Restore it, or give its new name (--table, --column); then rerun the same command",
        )
    return LlamactlError(
        ErrorCode.INTERNAL, f"{context.where}: {text}" + (f" (SQLSTATE {state})" if state else ""), _REPORT
    )


_GONE = (
    *(errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedObject, errors.UndefinedFunction),
    *(errors.InvalidSchemaName, errors.DuplicateTable, errors.DuplicateColumn, errors.DuplicateObject),
    *(errors.DatatypeMismatch, errors.WrongObjectType, errors.DependentObjectsStillExist),
)
_STALE = r"cache lookup failed|could not open relation|tuple concurrently (?:updated|deleted)"


_LIMITS = ("0A", "54", "55000")
"""Not supported, a limit of the server, and a published table that cannot be updated."""


def refuses_rows(exc: BaseException | None) -> bool:
    """Returns whether a constraint or the user's code, such as a trigger, rejected what was written."""
    if not isinstance(exc, errors.Error) or not exc.sqlstate:
        return False
    return exc.sqlstate.startswith(("23", "P0")) or _in_users_code(exc)


def _in_users_code(exc: errors.Error) -> bool:
    """Returns whether the error was raised inside a function: then it has a context, in whatever language."""
    within = exc.diag.context or ""
    return bool(within) and not re.search("inline_code_block|portal", within)


def _changed_by_others(exc: errors.Error, text: str) -> bool:
    """Returns whether DDL of another session caused the error: the statements fit what existed before."""
    return isinstance(exc, _GONE) or re.match(_STALE, text) is not None


_REPORT = "This is a bug in llamactl, or something in the database that it does not expect; please report it"
