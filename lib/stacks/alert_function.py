"""The alert function: code, role, log and the mapping that feeds it from the queue."""

from __future__ import annotations

import json
from pathlib import Path

from cdktf import AssetType, Fn, TerraformAsset
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.lambda_event_source_mapping import (
    LambdaEventSourceMapping,
    LambdaEventSourceMappingScalingConfig,
)
from cdktf_cdktf_provider_aws.lambda_function import (
    LambdaFunction,
    LambdaFunctionDeadLetterConfig,
    LambdaFunctionEnvironment,
    LambdaFunctionLoggingConfig,
    LambdaFunctionTracingConfig,
    LambdaFunctionVpcConfig,
)
from constructs import Construct

from lib.config.names import Account
from lib.config.settings import Settings
from lib.stacks.alarms import METRICS_NAMESPACE
from lib.stacks.messaging import Messaging
from lib.stacks.policies import function_policy, given_up_target, trust_policy
from lib.stacks.storage import Storage


class AlertFunction(Construct):
    """The function, with a role that allows what it does and nothing else.

    Parameters
    ----------
    scope, construct_id, settings
        As in every construct.
    package
        The function's zip.
    account
        Where the stack stands.
    messaging, storage
        What it reads from, announces to and writes to.
    key_arn
        The stack's key; ``None`` for AWS's own.
    has_boundary
        Whether tap-ci limits what the role can be allowed.
    """

    def __init__(  # noqa: PLR0913  # the two leading ones are every construct's
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        package: Path,
        account: Account,
        messaging: Messaging,
        storage: Storage,
        key_arn: str | None,
        has_boundary: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._account = account
        self._key_arn = key_arn
        log_group = CloudwatchLogGroup(
            self,
            "log",
            name=account.names.log_group,
            retention_in_days=settings.log_retention_days,
            kms_key_id=key_arn,
        )
        self.role = IamRole(
            self,
            "role",
            name=account.role_name,
            assume_role_policy=trust_policy(),
            permissions_boundary=account.boundary if has_boundary else None,
        )
        policy = IamPolicy(
            self,
            "policy",
            name=account.role_name,
            policy=function_policy(account, settings, key_arn),
        )
        # What the policy names by its ARN need not be there; the function must not be without it.
        permissions = IamRolePolicyAttachment(
            self, "attachment", role=self.role.name, policy_arn=policy.arn
        )
        environment = {
            "LATE_TICKS": str(settings.late_ticks),
            "TABLE_NAME": storage.table.name,
            "TOPIC_ARN": messaging.topic.arn,
            "METRICS_NAMESPACE": METRICS_NAMESPACE,
            "SERVICE_NAME": account.names.function,
        }
        if settings.high_price_threshold is not None:
            environment["HIGH_PRICE_THRESHOLD"] = f"{settings.high_price_threshold:f}"
        if settings.history_days is not None:
            environment["HISTORY_DAYS"] = str(settings.history_days)
        if settings.shapes:
            environment["SHAPES"] = json.dumps(settings.shapes, separators=(",", ":"))
        if messaging.people_topic:
            environment["PEOPLE_TOPIC_ARN"] = messaging.people_topic.arn
        if not settings.is_fifo:
            environment["QUEUE_URL"] = messaging.queue.url
        self.function = self._build_function(package, environment, log_group, permissions)
        self._build_mapping(messaging, permissions)

    def _build_function(
        self,
        package: Path,
        environment: dict[str, str],
        log_group: CloudwatchLogGroup,
        permissions: IamRolePolicyAttachment,
    ) -> LambdaFunction:
        settings = self._settings
        asset = TerraformAsset(self, "package", path=str(package), type=AssetType.FILE)
        vpc = None
        if settings.subnet_ids:
            vpc = LambdaFunctionVpcConfig(
                subnet_ids=list(settings.subnet_ids),
                security_group_ids=list(settings.security_group_ids),
            )
        return LambdaFunction(
            self,
            "function",
            function_name=self._account.names.function,
            description="Decides which price alerts came true",
            runtime="python3.13",
            architectures=["arm64"],
            handler="index.handler",
            filename=asset.path,
            source_code_hash=Fn.filebase64sha256(asset.path),
            code_signing_config_arn=settings.code_signing_config_arn,
            role=self.role.arn,
            timeout=settings.function_timeout_seconds,
            memory_size=settings.memory_mebibytes,
            reserved_concurrent_executions=settings.reserved_concurrency,
            environment=LambdaFunctionEnvironment(variables=environment),
            kms_key_arn=self._key_arn,
            dead_letter_config=LambdaFunctionDeadLetterConfig(
                target_arn=given_up_target(self._account)
            ),
            tracing_config=LambdaFunctionTracingConfig(mode="Active"),
            vpc_config=vpc,
            logging_config=LambdaFunctionLoggingConfig(
                # Lambda itself drops the lines below this level.
                log_format="JSON",
                application_log_level=settings.log_level,
                log_group=log_group.name,
            ),
            depends_on=[permissions],
        )

    def _build_mapping(self, messaging: Messaging, permissions: IamRolePolicyAttachment) -> None:
        settings = self._settings
        scaling = None
        if settings.maximum_concurrency is not None:
            scaling = LambdaEventSourceMappingScalingConfig(
                maximum_concurrency=settings.maximum_concurrency
            )
        # AWS refuses a mapping whose role may not read the queue: the permissions come first.
        LambdaEventSourceMapping(
            self,
            "mapping",
            event_source_arn=messaging.queue.arn,
            function_name=self.function.function_name,
            batch_size=settings.batch_size,
            maximum_batching_window_in_seconds=settings.batch_window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=scaling,
            depends_on=[permissions],
        )
