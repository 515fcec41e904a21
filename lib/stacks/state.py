"""tap-state: the bucket that the stacks keep their state in, and the lock table if there is one."""

from __future__ import annotations

from cdktf import TerraformOutput, TerraformStack
from constructs import Construct

from lib.stacks.aws_provider import add_aws_provider  # first: it makes the imports below quick

# isort: split

from cdktf_cdktf_provider_aws.dynamodb_table import DynamodbTable, DynamodbTableAttribute
from cdktf_cdktf_provider_aws.s3_bucket import S3Bucket
from cdktf_cdktf_provider_aws.s3_bucket_lifecycle_configuration import (
    S3BucketLifecycleConfiguration,
    S3BucketLifecycleConfigurationRule,
    S3BucketLifecycleConfigurationRuleExpiration,
    S3BucketLifecycleConfigurationRuleFilter,
    S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration,
)
from cdktf_cdktf_provider_aws.s3_bucket_ownership_controls import (
    S3BucketOwnershipControls,
    S3BucketOwnershipControlsRule,
)
from cdktf_cdktf_provider_aws.s3_bucket_policy import S3BucketPolicy
from cdktf_cdktf_provider_aws.s3_bucket_public_access_block import S3BucketPublicAccessBlock
from cdktf_cdktf_provider_aws.s3_bucket_server_side_encryption_configuration import (
    S3BucketServerSideEncryptionConfigurationA,
    S3BucketServerSideEncryptionConfigurationRuleA,
    S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA,
)
from cdktf_cdktf_provider_aws.s3_bucket_versioning import (
    S3BucketVersioningA,
    S3BucketVersioningVersioningConfiguration,
)

from lib.backend.block import StateStore
from lib.config.document import STATE_ENVIRONMENT, stack_name
from lib.stacks.policies import document

_KEPT_DAYS, _KEPT_VERSIONS = 90, 100  # whichever keeps more; S3 counts up to 100 versions


class StateStack(TerraformStack):
    """A bucket that keeps old versions, is private, and cannot be destroyed; and the lock table."""

    def __init__(self, scope: Construct, store: StateStore) -> None:
        super().__init__(scope, stack_name(STATE_ENVIRONMENT))
        provider = add_aws_provider(self, store.region)
        for name, value in store.credentials.items():  # they have the same form there
            provider.add_override(name, value)
        bucket = self._build_bucket(store)
        TerraformOutput(self, "bucket", value=bucket.bucket)
        if store.lock_table is not None:
            # What Terraform's S3 backend asks for: one key of text, LockID.
            table = DynamodbTable(
                self,
                "locks",
                name=store.lock_table,
                billing_mode="PAY_PER_REQUEST",
                hash_key="LockID",
                attribute=[DynamodbTableAttribute(name="LockID", type="S")],
            )
            TerraformOutput(self, "lock_table", value=table.name)

    def _build_bucket(self, store: StateStore) -> S3Bucket:
        bucket = S3Bucket(self, "state", bucket=store.bucket, lifecycle={"prevent_destroy": True})
        versioning = S3BucketVersioningA(
            self,
            "versioning",
            bucket=bucket.id,
            versioning_configuration=S3BucketVersioningVersioningConfiguration(status="Enabled"),
        )
        # S3 wants versions to be kept before a rule about them.
        S3BucketLifecycleConfiguration(
            self, "lifecycle", bucket=bucket.id, rule=[_old_versions()], depends_on=[versioning]
        )
        S3BucketServerSideEncryptionConfigurationA(
            self, "encryption", bucket=bucket.id, rule=[_encryption(store.kms_key_id)]
        )
        private = S3BucketPublicAccessBlock(
            self,
            "private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
        )
        S3BucketOwnershipControls(
            self,
            "ownership",
            bucket=bucket.id,
            rule=S3BucketOwnershipControlsRule(object_ownership="BucketOwnerEnforced"),
        )
        tls_only = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket.arn, f"{bucket.arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        # One after the other: S3 rejects a change of policy during a change of access.
        S3BucketPolicy(
            self,
            "tls-only",
            bucket=bucket.id,
            policy=document([tls_only]),
            depends_on=[private],
        )
        return bucket


def _old_versions() -> S3BucketLifecycleConfigurationRule:
    """Delete versions that are old and not among the last hundred, and what locks leave."""
    return S3BucketLifecycleConfigurationRule(
        id="old-versions",
        status="Enabled",
        filter=[S3BucketLifecycleConfigurationRuleFilter(prefix="")],
        noncurrent_version_expiration=[
            S3BucketLifecycleConfigurationRuleNoncurrentVersionExpiration(
                noncurrent_days=_KEPT_DAYS, newer_noncurrent_versions=_KEPT_VERSIONS
            )
        ],
        expiration=[
            S3BucketLifecycleConfigurationRuleExpiration(expired_object_delete_marker=True)
        ],
    )


def _encryption(kms_key_id: str | None) -> S3BucketServerSideEncryptionConfigurationRuleA:
    default = S3BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultA(
        sse_algorithm="aws:kms" if kms_key_id else "AES256", kms_master_key_id=kms_key_id
    )
    return S3BucketServerSideEncryptionConfigurationRuleA(
        apply_server_side_encryption_by_default=default,
        bucket_key_enabled=kms_key_id is not None,
    )
