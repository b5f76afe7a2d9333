"""What is wrong with a spec is data: who raises it, what it carries, how it comes back from
pydantic."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hyperadam.rules import HyperAdamSpec, RuleError
from pydantic import TypeAdapter, ValidationError

import meta_trainer.specs
from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.problems import (
    FieldProblem,
    blamed_field,
    check_different,
    plain_message,
)

SPECS = Path(inspect.getfile(meta_trainer.specs)).parent
VALIDATORS = ("AfterValidator", "BeforeValidator")
"""What pydantic calls with the value of one field."""


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def called_names(node: ast.AST) -> set[str]:
    """Names that are called, or passed on, anywhere below a node."""
    return {child.id for child in ast.walk(node) if isinstance(child, ast.Name)}


def names_of_field_validators(tree: ast.Module) -> set[str]:
    """Functions that check the value of one field, which pydantic locates by itself."""
    annotated = {
        argument.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in VALIDATORS
        for argument in call.args
        if isinstance(argument, ast.Name)
    }
    decorated = {
        function.name
        for function in functions(tree)
        if any("field_validator" in called_names(line) for line in function.decorator_list)
    }
    return annotated | decorated


def raised_names(function: ast.FunctionDef) -> set[str]:
    """Classes of the exceptions that a function raises."""
    return {
        statement.exc.func.id
        for statement in ast.walk(function)
        if isinstance(statement, ast.Raise)
        and isinstance(statement.exc, ast.Call)
        and isinstance(statement.exc.func, ast.Name)
    }


def test_only_the_check_of_a_single_field_raises_a_plain_value_error() -> None:
    n_problems = 0
    for path in SPECS.rglob("*.py"):
        tree = ast.parse(path.read_text())
        of_one_field = names_of_field_validators(tree)
        for function in functions(tree):
            raised = raised_names(function)
            n_problems += "FieldProblem" in raised
            assert "ValueError" not in raised or function.name in of_one_field, function.name
    assert n_problems > 20


def test_a_problem_is_a_value_error_that_reads_as_its_message() -> None:
    problem = FieldProblem("unroll.horizon", "the horizon is odd")
    assert isinstance(problem, ValueError)
    assert (problem.field, problem.message, str(problem)) == (
        "unroll.horizon",
        "the horizon is odd",
        "the horizon is odd",
    )


@pytest.mark.parametrize(
    "error", [FieldProblem("a", "a is wrong"), RuleError("a is wrong", field="a")]
)
def test_a_problem_survives_the_way_between_processes(error: Any) -> None:
    rebuilt = copy.copy(error)  # made from its arguments, as pickle does it
    assert type(rebuilt) is type(error)
    assert (rebuilt.field, str(rebuilt)) == ("a", "a is wrong")


def test_values_that_differ_pass_and_others_name_their_field() -> None:
    check_different("optimizers", ["a", "b"])
    with pytest.raises(FieldProblem, match="optimizers must differ from each other, got a, a") as e:
        check_different("optimizers", ["a", "a"])
    assert e.value.field == "optimizers"


@pytest.mark.parametrize(
    ("model", "content", "field", "message"),
    [
        (
            MetaTrainingSpec,
            {"n_learners": 3},
            "n_learners",
            "n_learners must be a multiple of chunk_size, got 3 and 2",
        ),
        (
            HyperAdamSpec,
            {"n_candidates": 65},
            "n_candidates",
            "n_candidates must be between 1 and 64, got 65",
        ),
        (MetaTrainingSpec, {"n_episodes": 0}, "", "must be at least 1, got 0"),
    ],
)
def test_field_and_message_come_back_from_pydantic(
    model: type[Any], content: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(model).validate_python(content)
    [details] = refused.value.errors()
    assert (blamed_field(details), plain_message(details)) == (field, message)
