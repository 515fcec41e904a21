"""What every part of a stack is created with."""

from __future__ import annotations

from dataclasses import dataclass

from lib.config.names import Account, Names
from lib.config.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A stack's settings, and where it is deployed.

    Attributes
    ----------
    settings
        The environment's settings.
    account
        The account and region, for names and ARNs.
    has_boundary
        Whether CI deploys the stack: tap-ci then limits what the function's role can be allowed,
        and CI's role may use the stack's key.
    key_arn
        The stack's own key; ``None`` for the keys that AWS manages.
    """

    settings: Settings
    account: Account
    has_boundary: bool
    key_arn: str | None = None

    @property
    def names(self) -> Names:
        """What the stack's parts are called."""
        return self.account.names
