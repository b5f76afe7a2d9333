"""The specs as JSON schemas: every field with its sentence, bounds, default and an example.

OpenAPI, docs/specs.md, forms and completion are made of these and of nothing else. They come from
the models themselves: pydantic writes types, bounds and defaults, and the sentence is the string
below the field. What models cannot say is added here: the field `preset`, which is no field of a
complete spec, and the bounds of a rule's numbers, which the rule itself checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from pydantic.json_schema import models_json_schema

from meta_trainer.specs.base import RuleSpec
from meta_trainer.specs.distributions import DISTRIBUTIONS
from meta_trainer.specs.evaluation import EvaluationSpec
from meta_trainer.specs.examples import EXAMPLES
from meta_trainer.specs.meta_training import MetaTrainingSpec
from meta_trainer.specs.presets import PRESETS
from meta_trainer.specs.study import StudySpec
from meta_trainer.specs.study_presets import STUDY_PRESETS

Schema = dict[str, Any]

SPEC_MODELS: Final[Mapping[str, type[MetaTrainingSpec | EvaluationSpec | StudySpec]]] = {
    "meta-training": MetaTrainingSpec,
    "evaluation": EvaluationSpec,
    "study": StudySpec,
}
"""By kind of job."""

REF_TEMPLATE: Final = "#/components/schemas/{model}"

_PRESETS: Final[Mapping[str, tuple[str, ...]]] = {
    "MetaTrainingSpec": tuple(PRESETS),
    "StudySpec": tuple(STUDY_PRESETS),
    "TaskDistribution": tuple(DISTRIBUTIONS),
}
"""Where an object may begin with a preset, by the name of its model."""

_OBJECT_BY_OBJECT: Final = (
    "are laid over the preset's, object by object: what an object does not name stays the "
    "preset's; a list, or an object of another kind, takes the place of the preset's"
)
_WHAT_FIELDS_DO: Final[Mapping[str, str]] = {
    "MetaTrainingSpec": _OBJECT_BY_OBJECT,
    "StudySpec": f"{_OBJECT_BY_OBJECT}, and so does a `space`",
    "TaskDistribution": "take the place of the preset's",
}
"""Of those beside the preset."""


def build_schemas(ref_template: str = REF_TEMPLATE) -> dict[str, Schema]:
    """The schema of every spec and of every object in one, by the name of its model."""
    models = [(model, "validation") for model in SPEC_MODELS.values()]
    _, document = models_json_schema(models, ref_template=ref_template)  # type: ignore[arg-type]
    schemas: dict[str, Schema] = document["$defs"]
    for name, schema in schemas.items():
        _complete(name, schema)
    return schemas


def _complete(name: str, schema: Schema) -> None:
    """Write what the model itself does not say into one object's schema."""
    schema["description"] = first_paragraph(schema.get("description", "Any JSON value."))
    properties = schema.get("properties", {})
    if name in _PRESETS:
        schema["properties"] = {"preset": _describe_preset(name), **properties}
    for field_name, field in properties.items():
        field.pop("title", None)
        if "const" in field:
            field.setdefault("description", f"Always `{field['const']}`: tells this kind apart.")
        field["description"] = " ".join(_find_sentence(field).split())
        if field_name not in schema.get("required", ()):
            field.setdefault("default", {})  # the only one that is made anew for each spec
        _bound(field, _RANGES.get(name, {}).get(field_name))
        _give_example(field, EXAMPLES.get(name, {}).get(field_name))


def _find_sentence(field: Schema) -> str:
    """A field's description, which one of its alternatives may carry."""
    parts = (field, *field.get("anyOf", ()))
    return str(next((part["description"] for part in parts if "description" in part), ""))


def _describe_preset(model: str) -> Schema:
    names = _PRESETS[model]
    return {
        "type": "string",
        "enum": list(names),
        "description": f"Where the object begins: the fields beside it {_WHAT_FIELDS_DO[model]}.",
        "examples": [names[1]],
    }


def _bound(field: Schema, bounds: tuple[float, float] | None) -> None:
    if bounds is not None:
        low, high = bounds
        field.setdefault("minimum", low)
        field.setdefault("maximum", high)


def _give_example(field: Schema, example: Any) -> None:
    """Its own, or its default, or its first choice."""
    choices = (example, field.get("default"), field.get("const"), *field.get("enum", ()))
    fitting = [choice for choice in choices if choice not in (None, [], {})]
    if fitting and "examples" not in field:
        field["examples"] = fitting[:1]


def first_paragraph(text: str) -> str:
    """A class's docstring up to its first blank line, on one line."""
    return " ".join(text.split("\n\n")[0].split())


def _collect_ranges() -> dict[str, Mapping[str, tuple[float, float]]]:
    """The bounds of each rule's numbers, by the name of its model."""
    kinds = get_args(get_args(RuleSpec)[0])
    return {kind.__name__: getattr(kind, "RANGES", {}) for kind in kinds}


_RANGES: Final = _collect_ranges()
