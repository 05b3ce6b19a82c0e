"""What the driver raises, said once in llamactl's words: a code, one line, and what to do next."""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from psycopg import errors

from llamactl.config.dsn import Dsn
from llamactl.model import ErrorCode, LlamactlError
from llamactl.sqlfiles.quoting import ident

CHECK_ERROR = errors.CheckViolation
LOCK_ERRORS = (errors.LockNotAvailable, errors.DeadlockDetected)
"""55P03 and 40P01: another attempt can go well."""

_LOST_STATES = ("08", "57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04")
"""Each begins the SQLSTATE of a connection that is over, or never was."""

_WAITED_IN_VAIN = ("25P03", "57P05")
"""The server's limits on a client that is idle."""

_CONNECT_HINTS = (
    ("password authentication failed", "Check the user and the password"),
    ("no password supplied", "The URL has no password, and ~/.pgpass and PGPASSWORD give none"),
    (r'(?:database|role) ".*" does not exist', "Check the names of the database and the user"),
    ("connection refused|no such file", "Is the server running, and is it on this host and port?"),
    ("translate host name|resolve host", "Check the host's name"),
    (
        "unsupported startup parameter",
        "The pooler does not take it: delete `options=...` from the URL, or give the direct URL",
    ),
    (
        "(?:invalid value for|unrecognized configuration) parameter|requires a value",
        "Delete or correct it in the `options` of the URL, or in PGOPTIONS",
    ),
    ("timeout expired|timed out", "Is a firewall in between? connect_timeout=30 in the URL waits longer"),
    ("too many|connection slots", "Try again later, or end connections that nobody uses"),
    ("no pg_hba.conf entry", "The server admits no such user, database or encryption from this address"),
    (
        "root certificate|certificate verify failed",
        "Name the CA with sslrootcert=FILE, or sslrootcert=system for the system's own",
    ),
    ("SSL", "The URL's sslmode says whether TLS is asked for: disable, prefer, require, verify-full"),
    ("starting up|shutting down|recovery mode|not yet accepting", "Try again in a moment"),
)

_STATEMENT_MODE = "^(?:transaction blocks not allowed in statement pooling|long transactions not allowed)"
"""What pgbouncer says as it ends the connection, today and before 1.8."""

_WRONG_PARAMETER = "^invalid |unsupported startup parameter|unrecognized configuration|requires a value$"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a session goes; safe to print."""

    host: str
    port: str
    database: str
    user: str
    """Who logs in."""
    effective: str = ""
    """The role whose rights count; empty where there is no session yet."""

    @property
    def role(self) -> str:
        """The effective role, as far as it is known."""
        return self.effective or self.user

    def __str__(self) -> str:
        role = f" (role {self.role})" if self.role != self.user else ""
        return f"{self.host}:{self.port}/{self.database} as {self.user}{role}"


@dataclass(frozen=True, slots=True)
class Context:
    """What an error's text may need to know."""

    target: Target
    dsn: Dsn
    where: str
    """The SQL file, or what was going on."""
    statement_timeout_ms: int = 0
    closed: bool = False
    """The connection is over."""
    farewell: tuple[str | None, str | None] = (None, None)
    """SQLSTATE and message of what the server said as it ended the session; see db_liveness.Farewell."""
    of_client: str = ""
    """What libpq says of the connection; the exception may tell less."""


def not_connected(exc: errors.Error, target: Target, dsn: Dsn) -> LlamactlError:
    """Of a failed attempt to connect. Always one line, without the password."""
    reason = _reason(dsn.scrub(str(exc)))
    hint = next((hint for words, hint in _CONNECT_HINTS if re.search(words, reason, re.IGNORECASE)), "")
    # A parameter that cannot be: the client refuses it before it asks the server, or the server does.
    wrong = isinstance(exc, errors.ProgrammingError) or re.search(_WRONG_PARAMETER, reason)
    code = ErrorCode.CONFIG if wrong else ErrorCode.CONNECTION
    return LlamactlError(code, f"Cannot connect to {target}: {reason}", hint or f"It comes from {dsn.source}")


def _reason(text: str) -> str:
    """The line that tells most: the server's own refusal, where one of several addresses gave one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "FATAL:" in line] or lines or ["no reason was given"]
    reason = re.sub(r"^.*?FATAL:\s*", "", told[0])
    reason = re.sub(r"^(?:connection failed: |connection is bad: )+", "", reason)
    return re.sub(r"^connection to server .*? failed: (?:error: )?", "", reason)


def translate(exc: errors.Error, context: Context) -> LlamactlError:
    """Of an error on an open connection.

    A statement_timeout is `busy`: the server had too much to do for the time that was given, and a retry
    or a longer time can be right; no lock was waited for, and no connection lost. A full disk, or no memory
    on the server or here, is `connection`: nothing is wrong with the command, only with where it runs. Both
    exit with 3.
    """
    state = exc.sqlstate or context.farewell[0] or ""
    told = exc.diag.message_primary or context.farewell[1] or str(exc).partition("\n")[0]
    text = context.dsn.scrub(told)
    if not state and re.search(_NO_MEMORY, f"{text} {context.of_client}", re.IGNORECASE):
        return out_of_memory(context.where)
    if re.search(_STATEMENT_MODE, text, re.IGNORECASE):
        return LlamactlError(
            ErrorCode.CONFIG,
            f"The connection to {context.target} goes through a pooler in statement mode, which refuses "
            f"transactions: {text}",
            "Give the direct URL of the database (--dsn, or DIRECT_URL)",
        )
    if state.startswith(_LOST_STATES) or context.closed:
        return _lost(text, state, context)
    if isinstance(exc, errors.LockNotAvailable):
        return LlamactlError(ErrorCode.LOCK, "A lock was not got in time", "Try again when less is going on")
    if isinstance(exc, errors.DeadlockDetected):
        return LlamactlError(ErrorCode.LOCK, "A deadlock with another session, which went first", "Try again")
    if isinstance(exc, errors.QueryCanceled):
        return _cancelled(text, context)
    if isinstance(exc, errors.InsufficientPrivilege):
        return _forbidden(exc, text, context)
    if state.startswith("53"):
        return _exhausted(exc, text, context)
    return _refused(exc, text, state, context)


_NO_MEMORY = "out of memory|cannot allocate memory|insufficient memory"
"""libpq's words; the server's own have a SQLSTATE."""


def is_out_of_memory(exc: BaseException) -> bool:
    """Whether the operating system gave no memory, that of a thread included."""
    no_thread = isinstance(exc, RuntimeError) and "start new thread" in str(exc)
    return isinstance(exc, MemoryError) or no_thread or getattr(exc, "errno", None) == errno.ENOMEM


def out_of_memory(where: str = "") -> LlamactlError:
    """Of a client that got no memory from its machine."""
    return LlamactlError(
        ErrorCode.CONNECTION,
        "llamactl ran out of memory on the machine that it runs on" + (f" ({where})" if where else ""),
        "Run it where more memory is free, or raise the limit on its process (ulimit -v, the container's)",
    )


def _lost(text: str, state: str, context: Context) -> LlamactlError:
    if state in _WAITED_IN_VAIN:
        hint = "llamactl was suspended, or out of the server's reach, for too long: run the command again"
    else:
        hint = "Look at the server's log, then try again"
    message = f"The connection to {context.target} was lost: {_reason(text)}"
    return LlamactlError(ErrorCode.CONNECTION, message, hint)


def _cancelled(text: str, context: Context) -> LlamactlError:
    # Both have SQLSTATE 57014. The words may be in the server's own language.
    if "statement timeout" in text or (context.statement_timeout_ms and "user request" not in text):
        return LlamactlError(
            ErrorCode.BUSY,
            f"The server ended a statement at its statement_timeout ({context.where})",
            "Give a longer --statement-timeout, or none",
        )
    return LlamactlError(
        ErrorCode.CONNECTION,
        f"Somebody cancelled our statement on the server ({context.where}): {text}",
        "Ask who did (pg_cancel_backend, or a tool that ends long statements), then try again",
    )


def _forbidden(exc: errors.Error, text: str, context: Context) -> LlamactlError:
    # The function's name, since the message may be in any language.
    if exc.diag.source_function == "check_enable_rls":
        return LlamactlError(
            ErrorCode.PERMISSION,
            f"A row-level security policy would hide rows from {context.target.role}: {text}",
            "Connect as the table's owner (where row security is not forced) or as a role with BYPASSRLS",
        )
    # What the message names cannot be told from it: it is not quoted, and may be in any language.
    return LlamactlError(
        ErrorCode.PERMISSION,
        f"{context.target.role} may not do this ({context.where}): {text}",
        "`llamactl preflight` lists the rights that a migration needs; triggers of yours may need more",
    )


def _exhausted(exc: errors.Error, text: str, context: Context) -> LlamactlError:
    """Of class 53: the server has too little of something."""
    if isinstance(exc, errors.DiskFull):
        return LlamactlError(
            ErrorCode.CONNECTION, f"The server's disk is full: {text}", "Make room, then try again"
        )
    if isinstance(exc, errors.ConfigurationLimitExceeded):  # the same command meets the limit again
        return LlamactlError(
            ErrorCode.CONFIG,
            f"A statement needs more than a limit of the server allows ({context.where}): {text}",
            f"Have a superuser raise it, for instance: "
            f"ALTER ROLE {ident(context.target.user)} SET temp_file_limit = -1;",
        )
    return LlamactlError(ErrorCode.CONNECTION, f"The server has too little left: {text}", "Try again later")


def _refused(exc: errors.Error, text: str, state: str, context: Context) -> LlamactlError:
    if isinstance(exc, errors.ReadOnlySqlTransaction):
        return LlamactlError(
            ErrorCode.PERMISSION,
            f"The server is read-only for us: {text}",
            f"Connect to the primary, if {context.target.host} is a standby",
        )
    if isinstance(exc, errors.SerializationFailure):
        return LlamactlError(
            ErrorCode.BUSY,
            f"The server gave up a statement ({context.where}): {text}",
            "Try again; on a standby, max_standby_streaming_delay says how long it waits for readers",
        )
    if isinstance(exc, errors.UntranslatableCharacter | errors.CharacterNotInRepertoire):
        return LlamactlError(ErrorCode.CONFIG, f"The database's encoding cannot hold this: {text}")
    if isinstance(exc, errors.DataError) and not state:  # of the driver: a NUL, a year after 9999
        return LlamactlError(ErrorCode.CONFIG, f"{context.where}: {text}")
    if refuses_rows(exc) or state.startswith(_LIMITS):
        return LlamactlError(
            ErrorCode.CONFIG,
            f"Refused by the database ({context.where}): {text}",
            "llamactl preflight lists triggers, constraints and limits of the server",
        )
    if _changed_by_others(exc, text):
        return LlamactlError(
            ErrorCode.BUSY,
            f"Another session changed what the command works on ({context.where}): {text}",
            "Put it back, or name what it is called now (--table, --column); then run the same command again",
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
"""Not supported, a limit of the server's, and a table that cannot be updated as it is published."""


def refuses_rows(exc: BaseException | None) -> bool:
    """Whether a constraint, or code of the user's such as a trigger, refuses what was written."""
    if not isinstance(exc, errors.Error) or not exc.sqlstate:
        return False
    return exc.sqlstate.startswith(("23", "P0")) or _in_users_code(exc)


def _in_users_code(exc: errors.Error) -> bool:
    """Whether the error arose inside a function, which is its context, in whatever language."""
    within = exc.diag.context or ""
    return bool(within) and not re.search("inline_code_block|portal", within)


def _changed_by_others(exc: errors.Error, text: str) -> bool:
    """Whether it is what DDL of another session leads to: the files are right for what was there before."""
    return isinstance(exc, _GONE) or re.match(_STALE, text) is not None


_REPORT = "This is a fault of llamactl's own, or something in the database that it does not expect"
