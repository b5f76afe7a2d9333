"""Whose versions a client accepts: everybody's, or those that the keys of a policy have signed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyperadam.api.cache import ThetaCache
from hyperadam.api.config import TRUST_VARIABLE, load_trust_policy
from hyperadam.api.errors import ConfigurationError, UntrustedVersion
from hyperadam.api.models import Version
from hyperadam.signatures import Signature, SignatureProblem, TrustPolicy, read_signature


@dataclass(frozen=True, kw_only=True)
class VerifiedVersion:
    """A version, and whose signature it has."""

    version: Version
    signer: str


class Trust:
    """The policy of one client, and the signatures that it has seen."""

    def __init__(self, policy: TrustPolicy | None, cache: ThetaCache) -> None:
        self._policy = policy
        self._cache = cache

    @property
    def asks_for_signatures(self) -> bool:
        return self._policy is not None

    def check_version(self, version: Version) -> None:
        """A version as the server tells of it; its signature is kept for when there is no server.

        Raises:
            UntrustedVersion: the policy does not accept it.
        """
        signature = read_signature(version.signature)
        if self._policy is not None:
            _check(self._policy, version.optimizer, version.number, version.sha256, signature)
        if signature is not None:
            name = version.optimizer
            self._cache.keep_signature(name, version.number, version.sha256, signature)

    def check_cached(self, name: str, number: int, sha256: str) -> None:
        """A version that was pulled before.

        Raises:
            UntrustedVersion: the policy does not accept it.
        """
        if self._policy is not None:
            signature = self._cache.recall_signature(name, number, sha256)
            _check(self._policy, name, number, sha256, signature)

    def verify(self, version: Version, keys: Path | None) -> VerifiedVersion:
        """Whose signature a version has, by the policy or by other keys.

        Raises:
            ConfigurationError: no keys are named at all.
            UntrustedVersion: it has none that they accept.
        """
        policy = self._policy if keys is None else load_trust_policy(keys)
        if policy is None:
            raise ConfigurationError(
                f"no keys are trusted: set {TRUST_VARIABLE} to a file of them, or name one"
            )
        signature = read_signature(version.signature)
        signer = _check(policy, version.optimizer, version.number, version.sha256, signature)
        return VerifiedVersion(version=version, signer=signer)


def _check(
    policy: TrustPolicy, name: str, number: int, sha256: str, signature: Signature | None
) -> str:
    try:
        return policy.check(name, number, sha256, signature)
    except SignatureProblem as problem:
        raise UntrustedVersion(str(problem)) from problem
