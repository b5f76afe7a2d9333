"""What the operator says of the issuer: everything that cannot be meant is refused, by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.database.base import Database
from services.oidc.groups import Groups, UnknownProject, check_groups
from services.setting_names import describe_unknown
from services.settings import Settings

ISSUER = "https://login.example.com/realms/lab"
GROUPS = '{"ml-team": {"default": "submit"}}'
USUAL = {"oidc_issuer": ISSUER, "oidc_audience": "api", "oidc_groups": GROUPS}


def make(**fields: Any) -> Settings:
    return Settings(**{**USUAL, **fields})


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("oidc_issuer", "http://login.example.com", "https"),
        ("oidc_issuer", "login.example.com", "https"),
        ("oidc_issuer", "https://", "https"),
        ("oidc_issuer", "https://a b", "white space"),
        ("oidc_issuer", "https://u:p@host", "without user"),
        ("oidc_issuer", "https://host?x=1", "query"),
        ("oidc_issuer", "https://host:port", "is no URL"),
        ("oidc_issuer", "https://" + "h" * 120, "120"),
        ("oidc_algorithms", "none", "must be of"),
        ("oidc_algorithms", "RS256,HS256", "got HS256"),
        ("oidc_algorithms", ",", "got none"),
        ("oidc_groups", "ml-team=default", "JSON"),
        ("oidc_groups", "[]", "JSON object"),
        ("oidc_groups", '{"a": "submit"}', "group 'a'"),
        ("oidc_groups", '{"a": {}}', "group 'a'"),
        ("oidc_groups", '{"a": {"x": "owner"}}', "read or submit, got 'owner'"),
        ("oidc_groups", '{"a": {"x": ["read"]}}', "read or submit"),
        ("oidc_groups", '{"a": {"x": "admin"}}', "of the whole service"),
        ("oidc_groups", '{"a": {"No Project": "read"}}', "No Project"),
        ("oidc_groups", '{"a": {"x": "read"}, "a": "admin"}', "JSON object"),
        ("oidc_scope", "profile", "openid"),
        ("oidc_redirect_base", "http://lab.example.com", "https"),
        ("oidc_leeway_seconds", "301", "300"),
        ("oidc_keep_rights_days", "0", "greater than 0"),
    ],
)
def test_each_is_named(field: str, value: str, why: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(**{field: value})
    [problem] = caught.value.errors()
    assert problem["loc"] == (field,)
    assert why in problem["msg"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"oidc_issuer": ""}, "oidc_issuer is missing"),
        ({"oidc_audience": ""}, "oidc_audience, oidc_client_id"),
        ({"oidc_groups": ""}, "oidc_groups is missing"),
    ],
)
def test_half_of_it_is_refused(fields: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        make(**fields)


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "groups.json").write_text(GROUPS)
    monkeypatch.setenv("HYPERADAM_OIDC_ISSUER", ISSUER)
    monkeypatch.setenv("HYPERADAM_OIDC_CLIENT_ID", "dashboard")
    monkeypatch.setenv("HYPERADAM_OIDC_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("HYPERADAM_OIDC_GROUPS_FILE", str(tmp_path / "groups.json"))
    settings = Settings(home=tmp_path)
    assert settings.oidc_client_secret.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)
    assert Groups.from_text(settings.oidc_groups).places == {
        "ml-team": {"default": {"read", "submit"}}
    }


def test_a_typing_error_is_no_setting() -> None:
    [sentence] = describe_unknown({"HYPERADAM_OIDC_ISUER": "x"}, Settings.model_fields)
    assert sentence.endswith("did you mean HYPERADAM_OIDC_ISSUER?")


def test_a_project_that_is_not_there_is_refused_at_the_start(database: Database) -> None:
    check_groups(make(), database)
    groups = json.dumps({"ml-team": {"defualt": "read"}})
    with pytest.raises(UnknownProject, match="oidc_groups: group 'ml-team'") as caught:
        check_groups(make(oidc_groups=groups), database)
    assert str(caught.value).endswith("no project 'defualt': did you mean 'default'?")
