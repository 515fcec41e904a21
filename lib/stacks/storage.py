"""Storage: the one table of rules, states, watches and firings."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.dynamodb_table import (
    DynamodbTable,
    DynamodbTableAttribute,
    DynamodbTableGlobalSecondaryIndex,
    DynamodbTablePointInTimeRecovery,
    DynamodbTableServerSideEncryption,
    DynamodbTableTtl,
)
from constructs import Construct

from lib.config.names import Account
from lib.config.settings import Settings


class Storage(Construct):
    """The table, paid by request.

    ``by_day`` lists all symbols' firings in the order in which they were decided; ``by_rule``
    finds a rule by its id alone. Both hold only the items that have their key.

    Parameters
    ----------
    scope, construct_id, settings
        As in every construct.
    account
        Where the stack stands.
    key_arn
        The stack's key; ``None`` for AWS's own.
    """

    def __init__(  # the two leading ones are every construct's
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        account: Account,
        key_arn: str | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.table = DynamodbTable(
            self,
            "table",
            name=account.names.table,
            billing_mode="PAY_PER_REQUEST",
            hash_key="pk",
            range_key="sk",
            attribute=[
                DynamodbTableAttribute(name=name, type="S")
                for name in ("pk", "sk", "day", "fired_at", "rule_id")
            ],
            global_secondary_index=[
                DynamodbTableGlobalSecondaryIndex(
                    name="by_day", hash_key="day", range_key="fired_at", projection_type="ALL"
                ),
                DynamodbTableGlobalSecondaryIndex(
                    name="by_rule", hash_key="rule_id", projection_type="KEYS_ONLY"
                ),
            ],
            # Switched off, the table uses a key that AWS owns; on without one, that AWS manages.
            server_side_encryption=DynamodbTableServerSideEncryption(
                enabled=True, kms_key_arn=key_arn
            ),
            point_in_time_recovery=DynamodbTablePointInTimeRecovery(
                enabled=settings.point_in_time_recovery
            ),
            deletion_protection_enabled=settings.deletion_protection,
            ttl=DynamodbTableTtl(attribute_name="expires_at_epoch", enabled=True),
        )
