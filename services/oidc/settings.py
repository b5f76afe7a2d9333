"""What the operator says of the issuer; part of `services.settings.Settings`."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from services.oidc.checks import check_algorithms, check_issuer, check_scope, check_url


class OidcSettings(BaseModel):
    """Everything that is named `oidc_…`. Without an issuer none of it is used."""

    oidc_issuer: str = ""
    """Identity provider whose people may use the service: its URL, to the letter as its tokens have
    it; empty: API keys alone."""
    oidc_audience: str = ""
    """Audience (`aud`) of the issuer's tokens that REST takes; empty: it takes none."""
    oidc_client_id: str = ""
    """Client by which the issuer knows the dashboard; empty: nobody signs in there with it."""
    oidc_client_secret: SecretStr = SecretStr("")
    """Secret of that client; empty: a public client, held by PKCE alone."""
    oidc_groups: str = ""
    """Rights by group, as JSON: `{"ml-team": {"vision": "submit"}, "platform": "admin"}`."""
    oidc_groups_claim: str = "groups"
    """Claim of a token that lists the groups."""
    oidc_name_claim: str = "name"
    """Claim of a token that people know somebody by."""
    oidc_algorithms: str = "RS256,ES256"
    """Algorithms of signatures that are accepted, with commas; those with a public key alone."""
    oidc_scope: str = "openid profile"
    """What the dashboard asks the issuer for; some give groups only where it says `groups`, too."""
    oidc_title: str = Field(default="", max_length=60)
    """What the button says after "Sign in with"; empty: the issuer's host."""
    oidc_redirect_base: str = ""
    """URL at which browsers see the dashboard, such as `https://lab.example.com/hyperadam`; empty:
    as each request says, through the trusted proxies."""
    oidc_leeway_seconds: float = Field(default=30.0, ge=0, le=300)
    """How far the clocks of issuer and service may differ."""
    oidc_keep_rights_days: float = Field(default=7.0, gt=0, le=365)
    """Jobs of somebody for whom the issuer did not vouch for so long wait, and promote nothing."""

    @field_validator("oidc_issuer")
    @classmethod
    def _is_issuer(cls, value: str) -> str:
        return check_issuer(value) if value else value

    @field_validator("oidc_redirect_base")
    @classmethod
    def _is_base(cls, value: str) -> str:
        return check_url(value).rstrip("/") if value else value

    @field_validator("oidc_algorithms")
    @classmethod
    def _have_public_keys(cls, value: str) -> str:
        return check_algorithms(value)

    @field_validator("oidc_scope")
    @classmethod
    def _is_openid(cls, value: str) -> str:
        return check_scope(value)

    @field_validator("oidc_groups")
    @classmethod
    def _map_groups(cls, value: str) -> str:
        from services.oidc.groups import Groups  # it needs the tables of projects

        Groups.from_text(value)
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.oidc_issuer:
            for field in ("oidc_audience", "oidc_client_id", "oidc_groups"):
                if getattr(self, field):
                    raise ValueError(f"oidc_issuer is missing, without which {field} says nothing")
            return self
        if not (self.oidc_audience or self.oidc_client_id):
            raise ValueError("oidc_issuer needs oidc_audience, oidc_client_id, or both")
        if not self.oidc_groups:
            raise ValueError("oidc_groups is missing: nobody would have any right")
        return self
