"""Settings about proxies that cannot work are refused, by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.settings import Settings


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("trusted_proxies", "proxy.example.com", "addresses or networks"),
        ("trusted_proxies", "10.0.0.7/8", "addresses or networks"),
        ("trusted_proxies", "10.0.0.1, *", "addresses or networks"),
        ("root_path", "hyperadam", "a path such as /hyperadam"),
        ("root_path", "/hyper adam", "a path such as /hyperadam"),
        ("root_path", "/a/../b", "a path such as /hyperadam"),
        ("root_path", "/v1", "must not begin with /v1"),
        ("cors_origins", "lab.example.com", "origins such as"),
        ("cors_origins", "https://lab.example.com/page", "origins such as"),
        ("cors_origins", "https://me@lab.example.com", "origins such as"),
        ("cors_origins", "null", "origins such as"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        Settings.model_validate({"home": tmp_path, name: value})
    [error] = caught.value.errors()
    assert error["loc"] == (name,)


def test_lists_may_have_spaces_and_a_path_its_slash(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path,
        trusted_proxies=" 10.0.0.0/8, ::1 ,",
        root_path="/lab/hyperadam/",
        cors_origins="https://a.example.com, http://localhost:3000",
    )
    assert settings.trusted_proxies == "10.0.0.0/8,::1"
    assert settings.root_path == "/lab/hyperadam"
    assert settings.cors_origins == "https://a.example.com,http://localhost:3000"
    everybody = Settings(home=tmp_path, trusted_proxies="*", cors_origins="*")
    assert (everybody.trusted_proxies, everybody.cors_origins) == ("*", "*")
