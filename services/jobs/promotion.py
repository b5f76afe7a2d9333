"""Who may ask for a promotion, and of what. The rule itself is the driver's
(`meta_trainer.driver.promotion`).

Aliases are for the scope `admin`. By protecting one, an admin hands it over to rules: then any key
that may submit jobs may ask for one. Where the admin gave it a rule of its own, that one decides,
whoever asks; else it is at the suite's full size, with the usual threshold or a higher one, and
from the usual starts. An alias that is not protected moves for admins' jobs alone.

The same is asked again at the moment when the job is about to move the alias
(`services.reconciler.rights`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.promotion import PromotionSpec
from registry import AliasChange, OptimizerNotFound, Registry
from registry.alias_log import find_protected, find_rules
from services.auth.scopes import Principal
from services.jobs.specs import AnyJobSpec
from services.problems import Forbidden, invalid


def check_promotion(spec: AnyJobSpec, principal: Principal, registry: Registry) -> AnyJobSpec:
    """Refuse a complete spec whose promotion the principal may not ask for; the spec, with the
    alias's own rule where it has one.

    Raises:
        Problem: 403 naming the alias; 422 naming the field of `spec.promote`.
    """
    if not isinstance(spec, MetaTrainingSpec) or spec.promote is None:
        return spec
    alias = spec.promote.alias
    history = _read_history(registry, spec.register_as)
    own_rule = find_rules(history).get(alias)
    if own_rule is not None:
        return spec.model_copy(update={"promote": _take_rule(spec.promote, own_rule)})
    if alias in find_protected(history):
        if spec.promote.quick:
            raise invalid(
                "spec.promote.quick",
                f"alias {alias!r} is protected: only the suite's full size moves it",
            )
        if "admin" not in principal.scopes:
            _check_usual(spec.promote)
    elif "admin" not in principal.scopes:
        raise Forbidden(
            f"spec.promote: alias {alias!r} is not protected, hence for keys with the scope "
            "'admin'; one of them can open it to promotion rules by protecting it."
        )
    return spec


def _take_rule(asked: PromotionSpec, own_rule: Mapping[str, Any]) -> PromotionSpec:
    """The rule that the alias has, whoever asks; what a job says must be the same.

    Raises:
        Problem: 422 naming the field that differs.
    """
    for field in sorted(asked.model_fields_set & own_rule.keys()):
        if getattr(asked, field) != own_rule[field]:
            raise invalid(
                f"spec.promote.{field}",
                f"alias {asked.alias!r} has a rule of its own, by which it is {own_rule[field]!r}",
            )
    return PromotionSpec.model_validate({**own_rule, "alias": asked.alias})


def _check_usual(rule: PromotionSpec) -> None:
    """Whoever chose threshold and starts by themselves could choose those that their version wins.

    Raises:
        Problem: 422 naming the field.
    """
    usual = PromotionSpec()
    if rule.by_standard_errors < usual.by_standard_errors:
        raise invalid(
            "spec.promote.by_standard_errors",
            f"alias {rule.alias!r} is protected: at least {usual.by_standard_errors:g}, "
            "unless the key has the scope 'admin'",
        )
    if rule.seed != usual.seed:
        raise invalid(
            "spec.promote.seed",
            f"alias {rule.alias!r} is protected: {usual.seed}, "
            "unless the key has the scope 'admin'",
        )


def _read_history(registry: Registry, optimizer: str) -> Sequence[AliasChange]:
    try:
        return registry.alias_history(optimizer)
    except OptimizerNotFound:
        return ()
