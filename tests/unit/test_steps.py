"""The steps of the commands that change the table."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import llamactl
from llamactl.model.steps import StepName
from llamactl.sqlfiles.load import all_query_paths

LASTING = {
    *(StepName.ADD_COLUMN, StepName.CREATE_INDEX, StepName.ADD_CHECK, StepName.ADD_CHECK_NOT_VALID),
    *(StepName.COMMENT, StepName.CREATE_JOB_INDEX, StepName.CREATE_GUARD, StepName.CLEAR_PARENTS),
    *(StepName.CREATE_SCHEMA, StepName.CREATE_STATE, StepName.SAVE_PARENTS, StepName.DROP_USERS_INDEX),
}


def test_what_lasts_can_be_undone() -> None:
    assert {step for step in StepName if step.undone_by} == LASTING
    assert {step.undone_by for step in LASTING} <= set(all_query_paths())


def test_each_step_has_a_label_of_its_own() -> None:
    labels = [step.label for step in StepName]
    assert len(set(labels)) == len(labels)
    assert all(label[0].isupper() and not label.endswith(".") for label in labels)


@pytest.mark.parametrize(
    "path", sorted(Path(llamactl.__file__).parent.rglob("*.py")), ids=lambda path: path.name
)
def test_no_step_is_matched_by_a_string(path: Path) -> None:
    names = {step.value for step in StepName}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare | ast.MatchValue):
            sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else [node.value]
            texts = {side.value for side in sides if isinstance(side, ast.Constant)}
            if any(ast.unparse(side).endswith("step.name") for side in sides):
                assert not texts & names, f"{path}:{node.lineno}"
