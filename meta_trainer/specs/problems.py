"""What is wrong with a spec, as data: the field to blame, and a sentence for people.

Pydantic tells where an object stands that is refused. A rule about several fields of that object is
the object's own validator, which alone knows the field to blame: it raises a `FieldProblem`. Rules
of an optimizer say it the same way (`hyperadam.rules.RuleError`).
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic_core import ErrorDetails

from meta_trainer.specs.plain_words import describe_error


class FieldProblem(ValueError):
    """A rule about the fields of an object does not hold.

    Args:
        field: the field to blame, as a dotted path below the object; "" blames the object itself.
        message: a sentence for people.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return self.message


def check_different(field: str, values: Sequence[str]) -> None:
    """No value stands twice in the field.

    Raises:
        FieldProblem: naming the field.
    """
    if len(set(values)) < len(values):
        raise FieldProblem(field, f"{field} must differ from each other, got {', '.join(values)}")


def blamed_field(details: ErrorDetails) -> str:
    """The field that the validator blames, below the location that pydantic tells; "" where it
    blames none."""
    return str(getattr(_cause(details), "field", ""))


def plain_message(details: ErrorDetails, fields: Sequence[str] = ()) -> str:
    """The sentence for people: the validator's own, or pydantic's in plain words.

    Args:
        fields: names that could have been meant where one is unknown.
    """
    cause = _cause(details)
    return describe_error(details, fields) if cause is None else str(cause)


def _cause(details: ErrorDetails) -> Exception | None:
    """What the validator raised; None for a rule of pydantic's own."""
    if details["type"] != "value_error":
        return None
    cause: Exception = details["ctx"]["error"]
    return cause
