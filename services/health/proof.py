"""How the service of a home proves to local commands that it is it, before they send their key."""

from __future__ import annotations

from dataclasses import dataclass, field

from hyperadam.api.proof import make_proof


@dataclass(frozen=True)
class Prover:
    """Answers challenges."""

    key: str = field(repr=False)
    url: str
    """As the home's `server.json` says it."""

    def prove(self, challenge: str) -> str:
        """What only a process that can read the home's key knows."""
        return make_proof(self.key, challenge, self.url)
