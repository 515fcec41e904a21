"""Encryption: the stack's own key."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.kms_alias import KmsAlias
from cdktf_cdktf_provider_aws.kms_key import KmsKey
from constructs import Construct

from lib.config.names import Account
from lib.config.settings import Settings
from lib.stacks.policies import key_policy


class Encryption(Construct):
    """The key for all that the stack keeps and sends, if the settings ask for one.

    Attributes
    ----------
    key_arn
        The key's ARN; ``None``: AWS's own keys are used.
    """

    def __init__(  # the two leading ones are every construct's
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        account: Account,
        *,
        is_deployed_by_ci: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key_arn: str | None = None
        if settings.customer_managed_key:
            key = KmsKey(
                self,
                "key",
                description=f"All that {account.names.stack} keeps and sends",
                enable_key_rotation=True,
                deletion_window_in_days=30,
                policy=key_policy(account, settings, is_deployed_by_ci=is_deployed_by_ci),
            )
            KmsAlias(self, "alias", name=account.names.key_alias, target_key_id=key.key_id)
            self.key_arn = key.arn
