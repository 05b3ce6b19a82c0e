"""JSON: the keys that scripts rely on, and documents that are valid whatever the database holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamactl.findings.kinds import FINDINGS, Catalogue
from llamactl.model import ErrorCode, LlamactlError, LogRow, Node, OutputFormat, Tree
from llamactl.render import failure, lines
from llamactl.render.console import Screen
from reports import ASCII, BROKEN, DRY_RUN, FOUND, MIGRATED, NASTY, PIPE, TREE, UNREAD, same_as_golden

COUNTS = {
    *("total", "filled", "orphans", "filled_by", "orphans_by", "dangling"),
    *("already_set", "conflicts", "max_depth", "depths"),
}


def document(report: Any, command: str, screen: Screen = PIPE) -> dict[str, Any]:
    text = "".join(lines(report, command, OutputFormat.JSON, screen))
    assert text.endswith("}\n")
    parsed: dict[str, Any] = json.loads(text)
    assert (parsed["schema_version"], parsed["command"]) == (2, command)
    return parsed


def test_preflight() -> None:
    found = document(FOUND, "preflight")
    assert set(found) == {
        *("schema_version", "command", "ok", "findings", "counts", "cycles", "cycles_total", "table"),
        *("skipped", "root_not_logged"),
    }
    assert found["ok"] is False
    assert set(found["findings"][0]) == {"id", "slug", "severity", "title", "count", "sample", "hint"}
    assert (found["findings"][0]["slug"], found["findings"][0]["severity"]) == ("root-column-type", "error")
    assert found["findings"][1]["sample"] == [NASTY]
    assert found["cycles"][0] == {"jobs": ["requeue-a", "requeue-b", "requeue-c"], "size": 3}
    assert set(found["counts"]) == COUNTS
    assert set(found["table"]) == {"name", "rows", "bytes", "index_bytes", "toast_bytes", "server_version"}
    assert document(UNREAD, "preflight")["counts"] is None


def test_migrate() -> None:
    planned = document(DRY_RUN, "migrate")
    assert {"dry_run", "counts", "steps", "skipped"} <= set(planned)
    assert planned["dry_run"] is True
    assert set(planned["steps"][0]) == {"name", "sql", "lock", "blocks", "estimate_seconds"}
    assert planned["steps"][0]["blocks"] == "all"
    assert planned["skipped"] == ["create_index", "comment"]
    ran = document(MIGRATED, "migrate")
    assert set(ran["steps"][0]) == {"name", "sql", "lock", "blocks", "seconds"}
    assert planned["steps"][1]["estimate_seconds"] == {"low": 2.125, "high": 8.5}
    assert planned["blocked_estimate_seconds"] == {"low": 613.4, "high": 2453.5}
    assert ran["blocked_seconds"] == 1226.75
    assert "blocked_seconds" not in planned
    assert "blocked_estimate_seconds" not in ran


def test_verify() -> None:
    report = document(BROKEN, "verify")
    assert {"ok", "checks", "counts", "waiting", "root_not_logged"} <= set(report)
    assert report["ok"] is False
    keys = ["id", "slug", "title", "status", "ok", "reason", "violations", "sample", "hint"]
    assert list(report["checks"][0]) == keys
    found = {check["id"]: (check["status"], check["ok"], check["reason"]) for check in report["checks"]}
    assert found["V01"] == ("passed", True, None)
    assert found["V02"] == ("failed", False, None)
    assert found["V09"] == ("skipped", None, "the category is not an enum")
    assert report["checks"][1]["sample"][1] == NASTY


def test_tree() -> None:
    tree = document(TREE, "tree")
    assert (tree["root_job_id"], tree["jobs"], tree["logs"]) == ("root", 2, 1)
    assert {"job_id", "parent_job_id", "depth", "marks", "logs"} <= set(tree["nodes"][0])
    assert tree["nodes"][1]["marks"][1] == {"kind": "also_under", "job_id": "other"}
    assert tree["nodes"][0]["logs"][0]["created_at"] == "2025-06-01T10:00:00.000"
    same_as_golden("tree.json", lines(TREE, "tree", OutputFormat.JSON, PIPE))


def test_a_tree_without_nodes() -> None:
    assert document(Tree(None, 0, 0, ()), "tree")["nodes"] == []


def test_a_deep_chain_is_flat_and_streamed() -> None:
    depth = 20_000
    nodes = tuple(Node(str(n), str(n - 1) if n else None, n, (), ()) for n in range(depth))
    pieces = lines(Tree("0", depth, 0, nodes), "tree", OutputFormat.JSON, PIPE)
    assert len(next(pieces)) < 1000
    assert len(document(Tree("0", depth, 0, nodes), "tree")["nodes"]) == depth


def test_sql_and_explain() -> None:
    assert document("SELECT 1;\n", "sql")["sql"] == "SELECT 1;\n"
    kind = FINDINGS["V02"]
    assert document(kind, "explain") == {
        "schema_version": 2,
        "command": "explain",
        "id": "V02",
        "slug": "missing-root",
        "severity": "error",
        "title": kind.title,
        "description": kind.description,
    }


def test_the_list_of_explain() -> None:
    listed = document(Catalogue(tuple(FINDINGS.values())), "explain")["findings"]
    assert [kind["id"] for kind in listed] == list(FINDINGS)
    assert {tuple(kind) for kind in listed} == {("id", "slug", "severity", "title", "description")}


@pytest.mark.parametrize("command", ["verify", None])
def test_errors(command: str | None) -> None:
    problem = LlamactlError(ErrorCode.LOCK, f"locked {NASTY}", "wait")
    error = json.loads(failure(problem, command, OutputFormat.JSON, PIPE))
    assert error == {
        "schema_version": 2,
        "command": command,
        "error": {"code": "lock", "message": f"locked {NASTY}", "hint": "wait", "changed": "nothing"},
    }


@given(st.text(), st.sampled_from([PIPE, ASCII]))
def test_any_text_survives_and_steers_no_terminal(text: str, screen: Screen) -> None:
    row = LogRow(text, text, None, None, None, None, None, text, None)
    tree = Tree(text, 1, 1, (Node(text, None, 0, (), (row,)),))
    written = "".join(lines(tree, "tree", OutputFormat.JSON, screen))
    assert json.loads(written)["nodes"][0]["logs"][0]["error_message"] == text
    assert not any(
        0x7F <= ord(character) < 0xA0 or character < " " for character in written if character != "\n"
    )
    written.encode("utf-8" if screen.unicode else "ascii")
