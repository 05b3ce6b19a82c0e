"""The roots of rows that lack theirs: their parents', from this process or from the log."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import psycopg

from llamactl.logger import _encoding as encoding
from llamactl.logger._buffer import Row, Warnings
from llamactl.logger._calls import Steps, ask, said
from llamactl.logger._context import Job
from llamactl.logger._failures import Concern, concern
from llamactl.logger._shape import Shape
from llamactl.model.ids import text_array_literal
from llamactl.sqlfiles.names import Names

_KNOWN = 10_000


class Roots:
    """What is known of the roots of jobs. One caller at a time."""

    def __init__(self, names: Names, warn: Warnings) -> None:
        self._names, self._warn = names, warn
        self._known: OrderedDict[str, str] = OrderedDict()

    def find(self, rows: Sequence[Row], shape: Shape) -> Steps[None]:
        """Gives rows without a root their parent's, where the log or a row of this process tells it."""
        for row in rows:
            if row.rooted and (root := row.job.root_job_id):
                self._remember(row.job.job_id, root)
        lacking = [row for row in rows if not row.rooted]
        if not lacking or "root_job_id" in shape.absent:
            return
        origins = {row.job._origin.job_id: row.job._origin for row in lacking if not row.job.root_job_id}
        for origin in origins.values():
            origin._found_root = self._known.get(origin.parent_job_id or "")
        asked = [origin for origin in origins.values() if origin._found_root is None]
        if asked:
            yield from self._look_up(asked, shape)
        column = self._names.columns["root_job_id"]
        for row in lacking:
            if root := row.job.root_job_id:
                row.text, row.rooted = encoding.with_root(row.text, column, root), True

    def _look_up(self, origins: Sequence[Job], shape: Shape) -> Steps[None]:
        """Asks the log for the roots of their parents; warns of those that it does not know."""
        parents = sorted({origin.parent_job_id or "" for origin in origins})
        stored = {parent: held for parent in parents if (held := shape.stored(parent)) is not None}
        try:
            answer = yield from ask(
                "logger/roots", self._names, {"jobs": text_array_literal(stored.values())}
            )
        except (psycopg.Error, UnicodeError) as error:
            if not _goes_without(error):
                raise
            self._warn("lookup", f"Roots could not be looked up, so rows have no root: {said(error)}")
            return
        found: dict[str, str | None] = {str(row[0]): row[1] for row in answer}
        for origin in origins:
            parent = origin.parent_job_id or ""
            held = stored.get(parent)
            origin._found_root = found.get(held) if held else None
            if origin._found_root:
                self._remember(parent, origin._found_root)
            else:
                why = "has no unique root" if held in found else "is not in the log"
                self._warn(why, f"Job {parent!r} {why}, so rows of job {origin.job_id!r} have no root")

    def _remember(self, job: str, root: str) -> None:
        self._known[job] = root
        self._known.move_to_end(job)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)


def _goes_without(error: psycopg.Error | UnicodeError) -> bool:
    """Whether the look-up would fail again: it lacks a right, takes too long, or cannot be read."""
    if isinstance(error, UnicodeError | psycopg.errors.QueryCanceled):
        return True
    return concern(error) in (Concern.STATEMENT, Concern.ROW)
