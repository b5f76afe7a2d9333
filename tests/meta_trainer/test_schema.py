"""The schemas of specs: no field without its sentence, its bounds, and an example that is right."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from meta_trainer.specs.reference import render_reference
from meta_trainer.specs.schema import SPEC_MODELS, build_schemas
from tests.house.project import TOP

SCHEMAS = build_schemas("#/$defs/{model}")
FIELDS = [
    (model, name, field)
    for model, schema in SCHEMAS.items()
    for name, field in schema.get("properties", {}).items()
]
"""Every field: the name of its object, its own, its schema."""
ANY_FINITE_NUMBER = {("UniformSpec", "low"), ("UniformSpec", "high"), ("LogUniformSpec", "high")}
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}


def list_numbers(field: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a field's schema that are numbers of its own."""
    parts = [field, *field.get("anyOf", ()), *field.get("prefixItems", ())]
    if isinstance(field.get("items"), dict):
        parts.append(field["items"])
    numbers = [part for part in parts if part.get("type") in ("integer", "number")]
    return [part for part in numbers if "enum" not in part]


def test_the_fields_are_those_of_the_models() -> None:
    assert len(FIELDS) > 240
    for model in SPEC_MODELS.values():
        properties = set(SCHEMAS[model.__name__]["properties"])
        assert properties - {"preset"} == set(model.model_fields)


def test_every_field_has_a_sentence() -> None:
    unsaid = [(model, name) for model, name, field in FIELDS if not field["description"]]
    assert unsaid == []
    assert [name for name, schema in SCHEMAS.items() if not schema["description"]] == []


def test_every_number_has_bounds() -> None:
    unbounded = {
        (model, name)
        for model, name, field in FIELDS
        for part in list_numbers(field)
        if not BOUNDS & set(part)
    }
    assert unbounded == ANY_FINITE_NUMBER


def test_every_field_has_a_default_or_must_be_given() -> None:
    for model, name, field in FIELDS:
        is_required = name in SCHEMAS[model].get("required", ())
        assert ("default" in field) != is_required or name == "preset", (model, name)


def test_every_field_has_an_example_that_is_right() -> None:
    for model, name, field in FIELDS:
        (example,) = field["examples"]
        schema = {**field, "$defs": SCHEMAS}
        errors = [error.message for error in Draft202012Validator(schema).iter_errors(example)]
        assert errors == [], (model, name)


def test_the_page_of_specs_is_up_to_date() -> None:
    assert (TOP / "docs/specs.md").read_text("utf-8") == render_reference(), (
        "the specs changed: run `make openapi`, read the diff"
    )
