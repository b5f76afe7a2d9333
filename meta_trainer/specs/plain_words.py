"""What pydantic refuses, in plain words: `must be at least 1, got 0`.

A sentence reads after the name of its field. It says what would be right, then what was given where
that is short, then what may have been meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from pydantic_core import ErrorDetails

MAX_SHOWN_CHARS: Final = 40
"""Of a wrong value; a longer one is not repeated."""
MAX_LISTED_FIELDS: Final = 12
"""Of an object whose fields are listed where none is near a wrong name."""
MAX_NEAR: Final = 3
"""Places of one name that are told where it stands in several objects."""

_Context = Mapping[str, Any]

_OBJECT: Final = "must be an object"
_LIST: Final = "must be a list"
_WHOLE: Final = "must be a whole number"
_NUMBER: Final = "must be a number"
_BOOLEAN: Final = "must be true or false"

_KINDS: Final[Mapping[str, str]] = {
    "missing": "must be given",
    "extra_forbidden": "must not be given",
    "unexpected_keyword_argument": "must not be given",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": _BOOLEAN,
    "bool_parsing": _BOOLEAN,
    "string_type": "must be a text",
    "none_required": "must be null",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "dataclass_type": _OBJECT,
    "union_tag_not_found": "must say its kind",
}

_BOUNDS: Final[Mapping[str, Callable[[_Context], str]]] = {
    "greater_than_equal": lambda c: f"must be at least {c['ge']:g}",
    "greater_than": lambda c: f"must be more than {c['gt']:g}",
    "less_than_equal": lambda c: f"must be at most {_show_number(c['le'])}",
    "less_than": lambda c: f"must be less than {_show_number(c['lt'])}",
    "multiple_of": lambda c: f"must be a multiple of {c['multiple_of']:g}",
    "too_short": lambda c: f"must have at least {_count(c['min_length'], 'item')}",
    "too_long": lambda c: f"must have at most {_count(c['max_length'], 'item')}",
    "string_too_short": lambda c: f"must have at least {_count(c['min_length'], 'character')}",
    "string_too_long": lambda c: f"must have at most {_count(c['max_length'], 'character')}",
    "string_pattern_mismatch": lambda c: f"must match the pattern {c['pattern']}",
    "literal_error": lambda c: f"must be {_plain_list(c['expected'])}",
    "union_tag_invalid": lambda c: f"must be {_plain_list(c['expected_tags'])}",
}
_WITHOUT_VALUE: Final = frozenset(
    {"missing", "extra_forbidden", "unexpected_keyword_argument", "union_tag_not_found"}
)


def describe_error(details: ErrorDetails, fields: Sequence[str] = ()) -> str:
    """One sentence about one error that is pydantic's own.

    Args:
        details: with their input, if that may be repeated.
        fields: names that could have been meant where one is unknown, dotted paths of inner objects
            among them.
    """
    kind = details["type"]
    context = details.get("ctx", {})
    if kind in {"extra_forbidden", "unexpected_keyword_argument"} and fields:
        return _describe_unknown(str(details["loc"][-1]), fields)
    if kind in _BOUNDS:
        sentence = _BOUNDS[kind](context)
    else:
        sentence = _KINDS.get(kind) or _reword(details["msg"])
    if kind in _WITHOUT_VALUE or "input" not in details:
        return sentence
    value = context["tag"] if kind == "union_tag_invalid" else details["input"]
    choices = _list_choices(kind, context)
    return sentence + _describe_value(value) + suggest(str(value), choices)


def suggest(word: str, possible: Iterable[str]) -> str:
    """`: did you mean X?`, or nothing where no name is near."""
    near = find_near(word, possible)
    return f": did you mean {' or '.join(near)}?" if near else ""


def find_near(word: str, possible: Iterable[str]) -> list[str]:
    """The names that a person may have meant; of dotted paths, their last part counts."""
    paths: dict[str, list[str]] = {}
    for path in possible:
        last = path.rpartition(".")[2]
        paths.setdefault(last.casefold(), []).append(path)
    lower = word.casefold()
    matches = [lower] if lower in paths else get_close_matches(lower, paths, n=1, cutoff=0.7)
    near = paths[matches[0]][:MAX_NEAR] if matches else []
    return [path for path in near if path != word]


def _describe_unknown(name: str, fields: Sequence[str]) -> str:
    suggestion = suggest(name, fields)
    if suggestion:
        return f"unknown field {name}{suggestion}"
    here = [field for field in fields if "." not in field]
    if len(here) > MAX_LISTED_FIELDS:
        return f"unknown field {name}: must not be given"
    return f"unknown field {name}: must not be given; there are {', '.join(here)}"


def _list_choices(kind: str, context: _Context) -> list[str]:
    """The words that an error's field may be."""
    expected = {"literal_error": "expected", "union_tag_invalid": "expected_tags"}.get(kind)
    if expected is None:
        return []
    words = str(context[expected]).replace(" or ", ", ").split(", ")
    return [word.strip("'") for word in words]


def _describe_value(value: Any) -> str:
    """`, got VALUE`, where it is short."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return ""
    is_container = isinstance(value, dict | list)
    return "" if is_container or len(text) > MAX_SHOWN_CHARS else f", got {text}"


def _plain_list(expected: str) -> str:
    """Pydantic's list of choices without quotes."""
    return f"one of {expected.replace(' or ', ', ')}".replace("'", "")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _show_number(bound: float) -> str:
    """Whole numbers in full: those of seeds have nineteen digits."""
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _reword(message: str) -> str:
    """Any other sentence of pydantic's."""
    return message.removeprefix("Assertion failed, ").replace("Input should ", "must ", 1)


def describe_choice(field: str, value: object, choices: Iterable[str]) -> str:
    """What a validator says of a word that is none of several."""
    names = list(choices)
    sentence = f"{field} must be one of {', '.join(names)}, got {value!r}"
    return sentence + suggest(str(value), names)
