"""Who may ask for a promotion, and of what. The rule itself is the driver's
(`meta_trainer.driver.promotion`).

Aliases are for the scope `admin`. By protecting one, an admin hands it over to rules: then any key
that may submit jobs may ask for one, but at the suite's full size, with the usual threshold or
a higher one, and from the usual starts. An alias that is not protected
moves for admins' jobs alone.
"""

from __future__ import annotations

from meta_trainer.specs import MetaTrainingSpec
from meta_trainer.specs.promotion import PromotionSpec
from registry import OptimizerNotFound, Registry
from registry.alias_log import find_protected
from services.auth.scopes import Principal
from services.jobs.specs import AnyJobSpec
from services.problems import Forbidden, invalid


def check_promotion(spec: AnyJobSpec, principal: Principal, registry: Registry) -> None:
    """Refuse a complete spec whose promotion the principal may not ask for.

    Raises:
        Problem: 403 naming the alias; 422 naming `spec.promote.quick`.
    """
    if not isinstance(spec, MetaTrainingSpec) or spec.promote is None:
        return
    alias = spec.promote.alias
    if _is_protected(registry, spec.register_as, alias):
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


def _is_protected(registry: Registry, optimizer: str, alias: str) -> bool:
    try:
        return alias in find_protected(registry.alias_history(optimizer))
    except OptimizerNotFound:
        return False
