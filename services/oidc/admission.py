"""From what the issuer says of a person to who asks, with the rights of the person's groups."""

from __future__ import annotations

from fastapi.concurrency import run_in_threadpool

from services.auth.names import make_person_id
from services.auth.scopes import Principal
from services.oidc.groups import Groups
from services.oidc.people import NameTaken, People
from services.oidc.settings import OidcSettings
from services.oidc.tokens import Claims
from services.problems import Forbidden


class Admission:
    """Lets people in, and keeps the issuer's word about them."""

    def __init__(self, settings: OidcSettings, people: People) -> None:
        self._people = people
        self._groups = Groups.from_text(settings.oidc_groups)
        self._claim = settings.oidc_groups_claim

    async def admit(self, claims: Claims) -> Principal:
        """Who the token is about, until it ends.

        Raises:
            Forbidden: the person's groups give no rights.
        """
        places = self._groups.join(claims.groups or ())
        if claims.groups is not None and not self._people.is_noted(claims, places):
            try:
                await run_in_threadpool(self._people.note, claims, places)
            except NameTaken as error:
                raise Forbidden(
                    f"An API key is named {claims.name!r}, so nobody is let in by that name."
                ) from error
        if places == {}:
            raise Forbidden(self._explain(claims))
        return Principal.of_person(
            make_person_id(claims.name), claims.name, claims.full_name, places, claims.expires_at
        )

    def _explain(self, claims: Claims) -> str:
        who = repr(claims.full_name)
        if claims.groups is None:
            return f"The token of {who} has no claim {self._claim!r}, hence gives no rights here."
        return f"{who} is in no group that has rights here: ask the operator for one."
