"""What the endpoints of one process share.

The command line or a test builds a container and hands it to `create_app`; nothing is global.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, cast

from fastapi import Depends, Request

from registry import Registry
from services.audit.log import AuditLog
from services.auth.scopes import Principal
from services.auth.service import ApiKeys
from services.auth.sessions import Sessions
from services.auth.throttling import RateLimits
from services.database.base import Database, now
from services.health.checks import Examiner
from services.health.proof import Prover
from services.jobs.tails import Tails
from services.oidc.admission import Admission
from services.oidc.bearer import BearerTokens
from services.oidc.checking import TokenCheck
from services.oidc.issuer import Issuer
from services.oidc.people import People
from services.oidc.sign_in import SignIn
from services.optimizers.upload_slots import UploadSlots
from services.optimizers.weights import WeightsCache
from services.projects.reach import Reach
from services.projects.seen_versions import SeenVersions
from services.reconciler.lease import LeaseWatch
from services.settings import Settings
from services.signing import Signer, make_signer


@dataclass(frozen=True, kw_only=True)
class Container:
    """The parts that requests need.

    Executors are no part of it: the API never asks them anything.
    """

    settings: Settings
    database: Database
    registry: Registry
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the process begins to shut down; long answers (event streams) end then."""

    prover: Prover | None = None
    """Of the service of a home; the others are known by their URLs alone."""

    @cached_property
    def api_keys(self) -> ApiKeys:
        return ApiKeys(self.database)

    @cached_property
    def sessions(self) -> Sessions:
        seconds = self.settings.session_seconds
        return Sessions(self.database, self.api_keys, self.people, seconds)

    @cached_property
    def people(self) -> People:
        return People(self.database, self.settings.oidc_keep_rights_days)

    @cached_property
    def issuer(self) -> Issuer:
        """Asked for nothing where the operator has set none."""
        return Issuer(self.settings.oidc_issuer)

    @cached_property
    def token_check(self) -> TokenCheck:
        return TokenCheck(self.settings, self.issuer)

    @cached_property
    def admission(self) -> Admission:
        return Admission(self.settings, self.people)

    @cached_property
    def bearer_tokens(self) -> BearerTokens | None:
        """None where the operator takes no tokens of an issuer."""
        if not self.settings.oidc_audience:
            return None
        return BearerTokens(self.token_check, self.admission, self.settings.oidc_audience)

    @cached_property
    def sign_in(self) -> SignIn | None:
        """None where people do not sign in on the dashboard."""
        if not self.settings.oidc_client_id:
            return None
        return SignIn(self.settings, self.issuer, self.token_check, self.admission)

    def may_go_on(self, principal: Principal) -> bool:
        """Whether the principal of a long request still is who it was."""
        if principal.until is None:
            return self.api_keys.is_valid(principal.key_id)
        return self.people.find(principal.key_id, principal.until) is not None and (
            now() < principal.until
        )

    @cached_property
    def audit(self) -> AuditLog:
        return AuditLog(self.database, self.settings.audit_lines)

    @cached_property
    def reach(self) -> Reach:
        return Reach(self.database)

    def see_versions(self, principal: Principal) -> SeenVersions:
        """The versions that the principal may read."""
        return SeenVersions(self.registry, self.reach, principal)

    @cached_property
    def rate_limits(self) -> RateLimits:
        return RateLimits(self.settings)

    @cached_property
    def lease(self) -> LeaseWatch:
        return LeaseWatch(self.database, self.settings.lease_seconds)

    @cached_property
    def health(self) -> Examiner:
        return Examiner(self.database, self.registry, self.lease)

    @cached_property
    def tails(self) -> Tails:
        return Tails(self.database)

    @cached_property
    def signer(self) -> Signer | None:
        """None where the operator has set no key."""
        return make_signer(self.settings)

    @cached_property
    def upload_slots(self) -> UploadSlots:
        return UploadSlots(self.settings.max_uploads)

    @cached_property
    def weights(self) -> WeightsCache:
        return WeightsCache(self.registry)


def get_services(request: Request) -> Container:
    return cast(Container, request.app.state.services)


Services = Annotated[Container, Depends(get_services)]
"""Type of an endpoint's parameter that receives the container."""
