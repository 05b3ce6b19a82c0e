"""The oracle itself, on examples worked out by hand, and against walks enumerated one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings

from graphs import IdStyle, make_table, seeds, small_tables
from llamactl.model import Counts, DanglingPolicy, FilledBy, OrphansBy
from oracle import ALL_OPTIONS, Answer, Options, Row, ask, byte_order, parent_of, present

NULL_DANGLING = Options(dangling=DanglingPolicy.NULL)
NO_TRUST = Options(trust_root_flag=False)


def table(*cells: tuple[Any, ...]) -> list[Row]:
    """Rows of (job, parent, flag, root held today), numbered from 1."""
    return [Row(str(number), *cell) for number, cell in enumerate(cells, 1)]


def roots(answer: Answer) -> list[str | None]:
    return [answer.roots[key] for key in sorted(answer.roots, key=int)]


def depths(answer: Answer) -> dict[str, int]:
    return {job: known.depth for job, known in answer.jobs.items()}


# --- roots ----------------------------------------------------------------------------------------------


def test_empty_table() -> None:
    answer = ask([])
    assert answer.counts == Counts(0, 0, 0, FilledBy(0, 0), OrphansBy(0, 0, 0, 0), 0, 0, 0, 0, {})
    assert answer.cycles == []


def test_job_without_edges_is_its_own_root() -> None:
    answer = ask(table(("a", None)))
    assert roots(answer) == ["a"]
    assert answer.counts.filled_by == FilledBy(root=1, descendant=0)
    assert depths(answer) == {"a": 0}


def test_chain_goes_to_the_top_not_to_one_short_of_it() -> None:
    answer = ask(table(("a", None), ("b", "a"), ("c", "b"), ("d", "c")))
    assert roots(answer) == ["a"] * 4
    assert answer.counts.filled_by == FilledBy(root=1, descendant=3)
    assert answer.counts.depths == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert answer.counts.max_depth == 3


def test_rows_of_a_job_share_its_edges() -> None:
    # One row names no parent, one names a, one names b: the edges of c are both.
    answer = ask(table(("a", None), ("b", "a"), ("c", None), ("c", "a"), ("c", "b")))
    assert roots(answer) == ["a"] * 5
    assert depths(answer)["c"] == 2
    assert answer.counts.filled_by == FilledBy(root=1, descendant=4)
    assert answer.counts.depths == {"0": 1, "1": 1, "2": 1}


def test_two_parents_with_one_root_are_no_ambiguity() -> None:
    answer = ask(table(("top", None), ("b", "top"), ("c", "top"), ("d", "b"), ("d", "c")))
    assert roots(answer) == ["top"] * 5
    assert answer.counts.orphans == 0


def test_two_parents_with_two_roots_are_ambiguous_and_so_is_what_hangs_below() -> None:
    answer = ask(table(("p", None), ("q", None), ("c", "p"), ("c", "q"), ("d", "c"), (None, "d"), ("e", "p")))
    assert roots(answer) == ["p", "q", None, None, None, None, "p"]
    assert answer.counts.orphans_by == OrphansBy(0, 0, 4, 0)
    # Ambiguous jobs have a depth: the longest walk.
    assert answer.counts.depths == {"0": 2, "1": 2, "2": 1}


def test_parent_beside_grandparent_counts_the_longest_walk() -> None:
    answer = ask(table(("a", None), ("b", "a"), ("c", "a"), ("c", "b")))
    assert depths(answer) == {"a": 0, "b": 1, "c": 2}


def test_jobs_below_differ_in_root_only_by_their_own_walks() -> None:
    # The ambiguous child does not make its parents or siblings ambiguous.
    answer = ask(table(("p", None), ("q", None), ("c", "p"), ("c", "q"), ("s", "q")))
    assert roots(answer) == ["p", "q", None, None, "q"]


# --- cycles ---------------------------------------------------------------------------------------------


def test_self_parent_is_a_cycle_of_one() -> None:
    answer = ask(table(("a", "a"), ("b", "a")))
    assert roots(answer) == [None, None]
    assert answer.cycles == [["a"]]
    assert answer.counts.orphans_by == OrphansBy(0, 2, 0, 0)
    assert answer.counts.depths == {}
    assert answer.counts.max_depth == 0


def test_self_parent_with_another_parent_is_cyclic_still() -> None:
    answer = ask(table(("top", None), ("a", "a"), ("a", "top"), ("b", "a")))
    assert roots(answer) == ["top", None, None, None]
    assert answer.cycles == [["a"]]


def test_cycle_with_a_way_out_is_cyclic() -> None:
    # Some walk from a, b and c goes round for ever, though others end at top.
    answer = ask(table(("top", None), ("a", "b"), ("b", "c"), ("c", "a"), ("b", "top"), ("t", "c")))
    assert roots(answer) == ["top", None, None, None, None, None]
    assert answer.cycles == [["a", "b", "c"]]
    assert answer.cyclic == {"a", "b", "c", "t"}


def test_jobs_below_a_cycle_are_cyclic_but_not_in_it() -> None:
    answer = ask(table(("a", "b"), ("b", "a"), ("t", "a"), ("u", "t"), (None, "u")))
    assert answer.cycles == [["a", "b"]]
    assert answer.counts.orphans_by == OrphansBy(0, 5, 0, 0)


def test_one_cyclic_parent_of_two_makes_a_job_cyclic() -> None:
    # Cyclic goes before ambiguous.
    answer = ask(table(("r", "r"), ("p", None), ("q", None), ("c", "r"), ("c", "p"), ("c", "q")))
    assert answer.counts.orphans_by == OrphansBy(0, 4, 0, 0)
    assert roots(answer)[1:3] == ["p", "q"]


def test_cycle_below_a_cycle_is_another_cycle() -> None:
    answer = ask(table(("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("d", "a")))
    assert answer.cycles == [["a", "b"], ["c", "d"]]


def test_cycles_that_share_a_job_are_one() -> None:
    answer = ask(table(("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")))
    assert answer.cycles == [["a", "b", "c"]]


def test_cycle_closed_by_several_parents() -> None:
    # d -> b -> a -> d and d -> c -> a: all four reach each other.
    answer = ask(table(("d", "b"), ("d", "c"), ("b", "a"), ("c", "a"), ("a", "d")))
    assert answer.cycles == [["a", "b", "c", "d"]]


def test_cycle_that_only_exists_across_rows_of_a_job() -> None:
    answer = ask(table(("a", None), ("a", "b"), ("b", None), ("b", "a")))
    assert answer.cycles == [["a", "b"]]
    assert roots(answer) == [None] * 4


def test_cycles_are_sorted_byte_by_byte() -> None:
    answer = ask(
        table(
            ("é", "é"),
            ("z", "z"),
            ("Z", "é2"),
            ("é2", "Z"),
            ("\U00010000", "\uffff"),
            ("\uffff", "\U00010000"),
        )
    )
    assert answer.cycles == [["Z", "é2"], ["z"], ["é"], ["\uffff", "\U00010000"]]


# --- dangling parents -----------------------------------------------------------------------------------


def test_dangling_parent_is_the_topmost_job_known() -> None:
    rows = table(("b", "gone"), ("c", "b"))
    answer = ask(rows)
    assert roots(answer) == ["gone", "gone"]
    assert answer.counts.filled_by == FilledBy(root=0, descendant=2)
    assert (answer.counts.dangling, answer.counts.orphans_by.dangling) == (2, 0)
    # A job whose parent dangles has depth 1; the parent itself is not logged.
    assert answer.counts.depths == {"1": 1, "2": 1}


def test_dangling_null_leaves_them_without() -> None:
    answer = ask(table(("b", "gone"), ("c", "b"), ("top", None)), NULL_DANGLING)
    assert roots(answer) == [None, None, "top"]
    assert (answer.counts.filled, answer.counts.orphans) == (1, 2)
    assert (answer.counts.dangling, answer.counts.orphans_by.dangling) == (2, 2)
    assert answer.counts.depths == {"0": 1, "1": 1, "2": 1}


@pytest.mark.parametrize("options", [Options(), NULL_DANGLING])
def test_ambiguity_is_judged_before_dangling(options: Options) -> None:
    answer = ask(table(("c", "gone"), ("c", "lost"), ("d", "gone"), ("d", "top"), ("top", None)), options)
    assert answer.counts.orphans_by == OrphansBy(0, 0, 4, 0)
    assert answer.counts.dangling == 0


def test_two_parents_under_one_dangling_parent() -> None:
    answer = ask(table(("b", "gone"), ("c", "gone"), ("d", "b"), ("d", "c")))
    assert roots(answer) == ["gone"] * 4
    assert answer.counts.dangling == 4


def test_parent_that_is_disregarded_does_not_dangle() -> None:
    answer = ask(table(("a", "gone", True), ("b", "a")))
    assert roots(answer) == ["a", "a"]
    assert answer.counts.dangling == 0


# --- root flags -----------------------------------------------------------------------------------------


def test_flag_disregards_the_parent_of_its_row() -> None:
    answer = ask(table(("top", None), ("a", "top", True), ("b", "a")))
    assert roots(answer) == ["top", "a", "a"]
    assert answer.counts.filled_by == FilledBy(root=2, descendant=1)


def test_flag_goes_by_row() -> None:
    answer = ask(table(("top", None), ("a", "top", True), ("a", "top", False), ("a", None, None)))
    assert roots(answer) == ["top"] * 4


def test_flag_can_take_away_one_of_two_parents() -> None:
    rows = table(("p", None), ("q", None), ("a", "p", True), ("a", "q", False))
    assert roots(ask(rows)) == ["p", "q", "q", "q"]
    assert roots(ask(rows, NO_TRUST)) == ["p", "q", None, None]


def test_flag_breaks_a_cycle() -> None:
    rows = table(("a", "b", True), ("b", "a"))
    assert roots(ask(rows)) == ["a", "a"]
    assert ask(rows).cycles == []
    assert ask(rows, NO_TRUST).cycles == [["a", "b"]]


def test_flag_on_a_self_parent() -> None:
    assert roots(ask(table(("a", "a", True)))) == ["a"]


@pytest.mark.parametrize("flag", [False, None])
def test_flag_that_is_not_true_does_nothing(flag: bool | None) -> None:
    assert roots(ask(table(("a", "top", flag), ("top", None)))) == ["top", "top"]


def test_no_trust_disregards_the_flag_instead() -> None:
    answer = ask(table(("top", None), ("a", "top", True)), NO_TRUST)
    assert roots(answer) == ["top", "top"]


def test_flag_without_a_parent_makes_no_root_of_a_job_with_one() -> None:
    answer = ask(table(("top", None), ("a", None, True), ("a", "top", False)))
    assert roots(answer) == ["top", "top", "top"]


@pytest.mark.parametrize("blank", [None, "", " \t"])
def test_flag_on_a_row_without_a_job_does_nothing(blank: str | None) -> None:
    answer = ask(table(("top", None), (blank, "top", True), (blank, "gone", True)))
    assert roots(answer) == ["top", "top", "gone"]
    assert answer.counts.filled_by == FilledBy(root=1, descendant=2)


# --- rows without a job ---------------------------------------------------------------------------------


def test_rows_without_a_job_take_their_parents_root() -> None:
    rows = table(
        *(("top", None), ("a", "top"), ("r", "r"), ("q", None), ("m", "top"), ("m", "q")),
        *((None, "a"), (None, "top"), (None, "gone"), (None, "r"), (None, "m"), (None, None)),
    )
    answer = ask(rows)
    assert roots(answer)[6:] == ["top", "top", "gone", None, None, None]
    assert answer.counts.filled_by == FilledBy(root=2, descendant=4)
    assert answer.counts.orphans_by == OrphansBy(untracked=1, cyclic=2, ambiguous=3, dangling=0)
    assert answer.counts.dangling == 1
    assert ask(rows, NULL_DANGLING).counts.orphans_by == OrphansBy(1, 2, 3, 1)


def test_rows_without_a_job_are_of_no_job() -> None:
    # Two parents named by two jobless rows make nothing ambiguous; the parent that only they name dangles.
    answer = ask(table((None, "p"), (None, "q"), ("q", None)))
    assert roots(answer) == ["p", "q", "q"]
    assert answer.counts.depths == {"0": 1}


# --- missing ids ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["", " ", "\t", "\n", "\r", "\f", "\x0b", " \t\n\r\f\x0b "])
def test_blank_ids_are_missing(blank: str) -> None:
    answer = ask(table(("a", blank), (blank, "a"), (blank, blank), (blank, None)))
    assert roots(answer) == ["a", "a", None, None]
    assert answer.counts.orphans_by == OrphansBy(2, 0, 0, 0)


@pytest.mark.parametrize(
    "id_", ["v", "\\v", "vv", " v ", "\u00a0", "\u2003", "\u0085", "\u200b", "\x1c", "0"]
)
def test_other_ids_are_not_missing(id_: str) -> None:
    answer = ask(table((id_, None), ("b", id_)))
    assert roots(answer) == [id_, id_]


def test_ids_are_compared_whole_and_untrimmed() -> None:
    answer = ask(table(("a", None), ("a ", None), (" a", "a "), ("b", "a\t"), ("c", "A"), ("d", " a")))
    assert roots(answer) == ["a", "a ", "a ", "a\t", "A", "a "]


def test_ids_are_compared_byte_by_byte() -> None:
    # Composed and decomposed look the same and are not.
    answer = ask(table(("é", None), ("b", "e\u0301")))
    assert roots(answer) == ["é", "e\u0301"]
    assert answer.counts.dangling == 1


# --- what the table holds today -------------------------------------------------------------------------


def test_already_set_and_conflicts() -> None:
    rows = table(
        ("a", None, None, "a"),  # right
        ("b", "a", None, "a"),  # right
        ("b", "a", None, "b"),  # wrong
        ("c", "a", None, None),  # still empty
        ("r", "r", None, "r"),  # a value where none is computed
        (None, None, None, "a"),  # the same
        (None, None, None, None),  # nothing, rightly
        ("a", None, None, "a "),  # wrong: compared whole
    )
    counts = ask(rows).counts
    assert (counts.already_set, counts.conflicts) == (2, 4)
    assert (counts.total, counts.filled, counts.orphans) == (8, 5, 3)


def test_blank_in_the_root_column_is_a_wrong_value() -> None:
    # It is not NULL, so nothing would overwrite it, and no root is blank.
    counts = ask(table(("a", None, None, " "), (None, None, None, ""))).counts
    assert (counts.already_set, counts.conflicts) == (0, 2)


def test_dangling_null_makes_a_filled_dangling_row_a_conflict() -> None:
    rows = table(("a", "gone", None, "gone"))
    assert (ask(rows).counts.already_set, ask(rows).counts.conflicts) == (1, 0)
    counts = ask(rows, NULL_DANGLING).counts
    assert (counts.already_set, counts.conflicts) == (0, 1)


def test_what_the_table_holds_does_not_change_what_is_computed() -> None:
    assert roots(ask(table(("a", None, None, "x"), ("b", "a", None, "b")))) == ["a", "a"]


def test_depths_from_20_on_share_a_bucket() -> None:
    counts = ask(table(("0", None), *((str(job), str(job - 1)) for job in range(1, 23)))).counts
    assert counts.depths == {**{str(depth): 1 for depth in range(20)}, "20+": 3}
    assert counts.max_depth == 22


# --- against walks enumerated one by one ----------------------------------------------------------------


class Endless(Exception):
    """A walk is longer than there are jobs, so it never needs to end."""


def walks(edges: set[tuple[str, str]], job: str, most: int, length: int = 0) -> Iterator[tuple[str, int]]:
    """Every upward walk from the job: where it ends, and its length."""
    if length > most:
        raise Endless
    parents = [parent for child, parent in edges if child == job]
    if not parents:
        yield job, length
    for parent in parents:
        yield from walks(edges, parent, most, length + 1)


def reach_each_other(edges: set[tuple[str, str]], jobs: Sequence[str]) -> bool:
    """Whether walks of one edge or more lead from each of the jobs to each, itself included."""
    reach = set(edges)
    while more := {(a, d) for a, b in reach for c, d in edges if b == c} - reach:
        reach |= more
    return all((a, b) in reach for a in jobs for b in jobs)


@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
@given(rows=small_tables())
@settings(max_examples=150, deadline=None)
def test_agrees_with_enumerated_walks(options: Options, rows: list[Row]) -> None:
    answer = ask(rows, options)
    edges = {
        (row.job_id, parent)
        for row in rows
        if present(row.job_id) is not None and (parent := parent_of(row, options)) is not None
    }
    starts = {row.job_id if present(row.job_id) is not None else parent_of(row, options) for row in rows}
    jobs = {end for edge in edges for end in edge} | {job for job in starts if job is not None}
    for job in jobs:
        try:
            found = list(walks(edges, job, len(jobs)))
        except Endless:
            assert job in answer.cyclic
        else:
            assert answer.jobs[job].ends == {end for end, _ in found}
            assert answer.jobs[job].depth == max(length for _, length in found)
    assert set(answer.jobs) | answer.cyclic == jobs
    groups = [
        group
        for size in range(1, len(jobs) + 1)
        for group in combinations(sorted(jobs, key=byte_order), size)
        if reach_each_other(edges, group)
    ]
    largest = [list(group) for group in groups if not any(set(group) < set(other) for other in groups)]
    assert sorted(largest, key=lambda group: byte_order(group[0])) == answer.cycles


@pytest.mark.parametrize("options", ALL_OPTIONS, ids=str)
@pytest.mark.parametrize("style", IdStyle)
@given(seed=seeds)
@settings(max_examples=3, deadline=None)
def test_counts_add_up(options: Options, style: IdStyle, seed: int) -> None:
    rows = make_table(seed, 20, style).rows
    answer = ask(rows, options)
    counts = answer.counts
    by = counts.orphans_by
    assert counts.total == len(rows) == counts.filled + counts.orphans
    assert counts.filled == counts.filled_by.root + counts.filled_by.descendant
    assert counts.orphans == by.untracked + by.cyclic + by.ambiguous + by.dangling
    assert counts.filled == sum(root is not None for root in answer.roots.values())
    assert by.dangling == (counts.dangling if options.dangling is DanglingPolicy.NULL else 0)
    assert sum(counts.depths.values()) == len(answer.logged - answer.cyclic)


@given(seed=seeds)
@settings(max_examples=5, deadline=None)
def test_generated_graphs_are_disjoint(seed: int) -> None:
    for style in IdStyle:
        made = make_table(seed, 20, style)
        graph_of: dict[str, int] = {}
        for row in made.rows:
            for id_ in filter(present, (row.job_id, row.parent_job_id)):
                assert graph_of.setdefault(id_, made.graph_of[row.id]) == made.graph_of[row.id]
