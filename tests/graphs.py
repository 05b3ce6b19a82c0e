"""Tables of a job log with every fault mixed in: many small graphs, disjoint, in one table.

`small_tables` is a plain hypothesis strategy that shrinks well. `make_table` builds a large table from a
seed, which hypothesis draws: drawing each choice on its own would cost more than resolving the table.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count
from random import Random

from hypothesis import strategies as st

from oracle import ALL_OPTIONS, BLANKS, Row, ask, present

Link = tuple[int, int]
"""A parent edge between jobs of one graph, which are numbered there."""

seeds = st.integers(min_value=0, max_value=2**32 - 1)


class IdStyle(StrEnum):
    """What the id columns hold."""

    TEXT = "text"
    CHAR = "char"
    """char(n), which drops trailing spaces."""
    INTEGER = "integer"
    UUID = "uuid"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in no order, and the graph that each belongs to."""

    rows: Sequence[Row]
    graph_of: dict[str, int]
    """Row id -> number of its graph."""

    def graph(self, row_id: str) -> list[Row]:
        """All rows of the graph that the row belongs to: what to look at when it is wrong."""
        return [row for row in self.rows if self.graph_of[row.id] == self.graph_of[row_id]]


def small_tables(max_rows: int = 10) -> st.SearchStrategy[list[Row]]:
    """Any rows at all over a few ids, so that they meet often."""
    jobs = st.sampled_from([None, "", "\v \t", "a", "b", "c", "d", "a ", "A"])
    parents = st.sampled_from([None, " ", "a", "b", "c", "d", "a ", "x", "y"])
    cells = st.tuples(jobs, parents, st.sampled_from([None, False, True]), parents)
    return st.lists(cells, max_size=max_rows).map(
        lambda rows: [Row(str(number), *cell) for number, cell in enumerate(rows)]
    )


def make_table(seed: int, graphs: int, style: IdStyle = IdStyle.TEXT) -> Table:
    """A table of so many graphs; the ids of the first look like nothing or like syntax."""
    rng = Random(seed)
    row_ids = count()
    rows: list[Row] = []
    graph_of: dict[str, int] = {}
    for number in range(graphs):
        for row in make_rows(rng, number, style):
            row_id = str(next(row_ids))
            graph_of[row_id] = number
            rows.append(replace(row, id=row_id))
    rows = list(hold_roots(rng, rows, graph_of, style))
    rng.shuffle(rows)
    return Table(rows, graph_of)


# --- shapes ---------------------------------------------------------------------------------------------


def chain(rng: Random) -> list[Link]:
    length = 300 if rng.random() < 0.04 else rng.choice([1, 2, 3, 7, 8, 9, 19, 20, 21])
    return [(job, job - 1) for job in range(1, length + 1)]


def tree(rng: Random) -> list[Link]:
    return [(job, rng.randrange(job)) for job in range(1, rng.randint(2, 12))]


def several_parents(rng: Random) -> list[Link]:
    """Jobs with up to three parents below one top, or below up to three tops."""
    tops = rng.choice([1, 1, 2, 3])
    jobs = range(tops, tops + rng.randint(1, 9))
    return [(job, rng.randrange(job)) for job in jobs for _ in range(rng.randint(1, 3))]


def ladder(rng: Random) -> list[Link]:
    """Diamonds one above the other: 2 to the power of their number walks, all to one root."""
    steps = range(0, 3 * rng.choice([1, 1, 1, 2, 2, 7, 30]), 3)
    return [link for top in steps for link in diamond(top)]


def diamond(top: int) -> list[Link]:
    return [(top + 1, top), (top + 2, top), (top + 3, top + 1), (top + 3, top + 2)]


def ring(rng: Random) -> list[Link]:
    """A cycle, perhaps of one; perhaps with a tail below it, a way out, a chord."""
    size = rng.choice([1, 1, 2, 3, 6])
    links = [(job, (job + 1) % size) for job in range(size)]
    jobs = size
    for _ in range(rng.randint(0, 3)):
        links.append((jobs, rng.randrange(jobs)))
        jobs += 1
    if rng.random() < 0.5:
        links.append((rng.randrange(jobs), jobs))
    if rng.random() < 0.3:
        links.append((rng.randrange(size), rng.randrange(size)))
    return links


def rings(rng: Random) -> list[Link]:
    """Two cycles, joined at a job, or by an edge that makes one hang below the other, or not at all."""
    first, second = rng.randint(1, 4), rng.randint(1, 4)
    links = [(job, (job + 1) % first) for job in range(first)]
    links += [(first + job, first + (job + 1) % second) for job in range(second)]
    joint = rng.choice([[], [(0, first)], [(0, first), (first + second - 1, first - 1)]])
    return links + joint


def anything(rng: Random) -> list[Link]:
    jobs = rng.randint(1, 7)
    return [(rng.randrange(jobs), rng.randrange(jobs)) for _ in range(rng.randint(0, 10))]


def patchwork(rng: Random) -> list[Link]:
    """Two shapes with a few edges from one to the other, and perhaps back."""
    upper, lower = rng.choice(SHAPES)(rng), rng.choice(SHAPES)(rng)
    offset = 1 + max((job for link in upper for job in link), default=0)
    links = upper + [(job + offset, parent + offset) for job, parent in lower]
    below = 1 + max((job for link in links for job in link), default=offset)
    for _ in range(rng.randint(1, 3)):
        links.append((rng.randrange(offset, below + 1), rng.randrange(offset)))
    if rng.random() < 0.15:
        links.append((rng.randrange(offset), rng.randrange(offset, below + 1)))
    return links


SHAPES: Sequence[Callable[[Random], list[Link]]] = (
    *(chain, tree, tree, several_parents, several_parents),
    *(ladder, ring, ring, rings, anything, anything),
)


# --- rows -----------------------------------------------------------------------------------------------


def make_rows(rng: Random, number: int, style: IdStyle) -> Iterator[Row]:
    """The rows of one graph; their own ids and what they hold today are given later."""
    links = (patchwork if rng.random() < 0.3 else rng.choice(SHAPES))(rng)
    jobs = sorted({job for link in links for job in link}) or [0]
    names = dict(zip(jobs, name_jobs(rng, number, len(jobs), style), strict=True))
    parents: dict[int, list[int]] = {job: [] for job in jobs}
    for job, parent in links:
        parents[job].append(parent)
    flags = rng.choice([(None,), (False, None), (False, False, True), (None, False, False, False, True)])
    leave_out = rng.choice([0.0, 0.0, 0.3, 0.8])
    for job in jobs:
        if parents[job] or rng.random() >= leave_out:
            for choice in rows_of_job(rng, parents[job]):
                named = missing(rng, style) if choice is None else names[choice]
                flag = rng.choice(flags) if choice is not None else rng.choice([None, False, True])
                yield Row("", names[job], named, flag)
    for _ in range(rng.choice([0, 0, 1, 3])):
        above = missing(rng, style) if rng.random() < 0.3 else names[rng.choice(jobs)]
        yield Row("", missing(rng, style), above, rng.choice([None, False, True]))


def rows_of_job(rng: Random, parents: Sequence[int]) -> list[int | None]:
    """Each parent at least once, with other rows of the job that name one of them again, or none."""
    rows: list[int | None] = list(parents) or [None]
    more = rng.choice([0, 0, 0, 0, 0, 1, 2, 3]) if rng.random() < 0.99 else 60
    return rows + [rng.choice([*parents, None]) for _ in range(more)]


def missing(rng: Random, style: IdStyle) -> str | None:
    """NULL, or where the column can hold it, nothing but white space."""
    if style not in (IdStyle.TEXT, IdStyle.CHAR) or rng.random() < 0.6:
        return None
    blank = "".join(rng.choice(BLANKS) for _ in range(rng.randint(0, 4)))
    return fit(blank, style)


def fit(value: str, style: IdStyle) -> str:
    """The value as `::text` gives it back from such a column."""
    return value.rstrip(" ") if style is IdStyle.CHAR else value


def hold_roots(rng: Random, rows: list[Row], graph_of: dict[str, int], style: IdStyle) -> Iterator[Row]:
    """Fills the root column of some graphs: rightly for one of the options, or partly, or wrongly."""
    right = ask(rows, rng.choice(ALL_OPTIONS)).roots
    modes: dict[int, str] = {}
    known = [job for row in rows if (job := present(row.job_id)) is not None]
    for row in rows:
        mode = modes.setdefault(graph_of[row.id], rng.choice(["empty", "empty", "right", "mixed"]))
        how = rng.choice(["empty", "right", "right", "wrong", "blank"]) if mode == "mixed" else mode
        if how == "right":
            yield replace(row, root_job_id=right[row.id])
        elif how == "wrong" and known:
            yield replace(row, root_job_id=rng.choice([rng.choice(known), stranger(rng, style)]))
        elif how == "blank":
            yield replace(row, root_job_id=missing(rng, style))
        else:
            yield row


# --- ids ------------------------------------------------------------------------------------------------

LOOKS_LIKE_NOTHING = [
    *("\u00a0", "\u0085", "\u2003", "\u200b", "\u3000", "\ufeff", "\x1c", "\x1f", "\x01", "\x7f"),
]
LOOKS_LIKE_SYNTAX = [
    *("v", "\\v", "x0b", "t", "n", "\\", "\\\\", "'", "''", '"', "%", "%s", "%%", "$1", ":'job'", ":job"),
    *("NULL", "null", "\\N", "\\.", "{}", "{a,NULL}", "()", ",", ";", "--", "/*", "$$", "0", "-1", "a", "A"),
    *("é", "e\u0301", "ß", "ss", "\ufb01", "fi", "\u0131", "\U00010400", "\U0010ffff", "\uffff"),
]
JUNK = [
    *" \t\n\r\f\x0b\x01\x1b\x7f'\"%\\$;-_é",
    *("e\u0301", "\u0301", "\U0001d50d", "\u00a0", "\u202e", "''", "  ", "\\n"),
]
VARIANTS = [
    *("", " ", "  ", "\t", "\n", "\r\n", "\x0b", "\f", "\u00a0", "\u200b", "e", "E", "é", "e\u0301", "É"),
    *("ß", "ss", "SS", "i", "I", "\u0131", "\u0130", "%", "\\", "'", '"', "\U0001f999"),
    *("x" * 80, "x" * 80 + " "),
]


def name_jobs(rng: Random, number: int, jobs: int, style: IdStyle) -> list[str]:
    """Ids for the jobs of a graph. No other graph has them: the first digits are the graph's number."""
    if style is IdStyle.INTEGER:
        return [str(rng.choice([1, -1]) * (number * 1000 + job)) for job in range(jobs)]
    if style is IdStyle.UUID:
        return [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(jobs)]
    bare = LOOKS_LIKE_NOTHING + LOOKS_LIKE_SYNTAX
    if number == 0 and jobs <= len(bare):
        names = rng.sample(bare, jobs)
    else:
        names = rng.choice([plain_names, odd_names, near_names])(rng, number, jobs)
    return [fit(name, style) for name in names]


def plain_names(rng: Random, number: int, jobs: int) -> list[str]:
    return [f"{number}:{job}" for job in range(jobs)]


def odd_names(rng: Random, number: int, jobs: int) -> list[str]:
    """Junk on both sides, without digits."""
    return [f"{junk(rng)}{number}:{job}{junk(rng)}" for job in range(jobs)]


def near_names(rng: Random, number: int, jobs: int) -> list[str]:
    """Ids that differ only in white space around them, case, normalization or the last character of many."""
    near = [f"{left}{number}:{right}" for left in VARIANTS[:10] for right in VARIANTS]
    return rng.sample(near, jobs) if jobs <= len(near) else plain_names(rng, number, jobs)


def junk(rng: Random) -> str:
    return "".join(rng.choice(JUNK) for _ in range(rng.choice([0, 1, 2, 12])))


def stranger(rng: Random, style: IdStyle) -> str:
    """An id that no row has."""
    if style is IdStyle.INTEGER:
        return str(2_000_000_000 + rng.randrange(1000))
    return str(uuid.UUID(int=rng.getrandbits(128)))


def flatten(tables: Iterable[Sequence[Row]]) -> list[Row]:
    """Small tables as one, kept apart by a prefix; blank ids stay blank."""
    rows: list[Row] = []
    for number, table in enumerate(tables):
        for row in table:
            ids = [
                value if present(value) is None else f"{number}:{value}"
                for value in (row.job_id, row.parent_job_id, row.root_job_id)
            ]
            rows.append(Row(str(len(rows)), ids[0], ids[1], row.is_root_job, ids[2]))
    return rows
