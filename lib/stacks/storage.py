"""Storage: the table of rules, states, watches and firings, and the key that encrypts the stack."""

from __future__ import annotations

from cdktf_cdktf_provider_aws.dynamodb_table import (
    DynamodbTable,
    DynamodbTableAttribute,
    DynamodbTableGlobalSecondaryIndex,
    DynamodbTablePointInTimeRecovery,
    DynamodbTableServerSideEncryption,
    DynamodbTableTtl,
)
from cdktf_cdktf_provider_aws.kms_alias import KmsAlias
from cdktf_cdktf_provider_aws.kms_key import KmsKey
from constructs import Construct

from lib.stacks.context import Context
from lib.stacks.policies import key_policy


class Encryption(Construct):
    """The stack's own key, with its ARN as ``key_arn``; ``None`` if the settings ask for none."""

    def __init__(self, scope: Construct, construct_id: str, context: Context) -> None:
        super().__init__(scope, construct_id)
        self.key_arn: str | None = None
        if context.settings.customer_managed_key:
            key = KmsKey(
                self,
                "key",
                description=f"All that {context.names.stack} keeps and sends",
                enable_key_rotation=True,
                deletion_window_in_days=30,
                policy=key_policy(
                    context.account, context.settings, is_deployed_by_ci=context.has_boundary
                ),
            )
            KmsAlias(self, "alias", name=context.names.key_alias, target_key_id=key.key_id)
            self.key_arn = key.arn


class Storage(Construct):
    """The table, paid by request.

    ``by_day`` lists all symbols' firings in the order in which they were decided; ``by_rule``
    finds a rule by its id alone. Both hold only the items that have their key.
    """

    def __init__(self, scope: Construct, construct_id: str, context: Context) -> None:
        super().__init__(scope, construct_id)
        self.table = DynamodbTable(
            self,
            "table",
            name=context.names.table,
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
            # If disabled, the table uses a key that AWS owns; if enabled without a key, the one
            # that AWS manages.
            server_side_encryption=DynamodbTableServerSideEncryption(
                enabled=True, kms_key_arn=context.key_arn
            ),
            point_in_time_recovery=DynamodbTablePointInTimeRecovery(
                enabled=context.settings.point_in_time_recovery
            ),
            deletion_protection_enabled=context.settings.deletion_protection,
            ttl=DynamodbTableTtl(attribute_name="expires_at_epoch", enabled=True),
        )
