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

from lib.stacks.alarms import METRICS_NAMESPACE
from lib.stacks.context import Context
from lib.stacks.messaging import Messaging
from lib.stacks.policies import dead_letter_target, function_policy, trust_policy
from lib.stacks.storage import Storage


class AlertFunction(Construct):
    """The function, with a role that allows what it does and nothing else."""

    def __init__(  # noqa: PLR0913  # the first two are every construct's
        self,
        scope: Construct,
        construct_id: str,
        context: Context,
        *,
        package: Path,
        messaging: Messaging,
        storage: Storage,
    ) -> None:
        super().__init__(scope, construct_id)
        settings, account = context.settings, context.account
        log_group = CloudwatchLogGroup(
            self,
            "log",
            name=context.names.log_group,
            retention_in_days=settings.log_retention_days,
            kms_key_id=context.key_arn,
        )
        role = IamRole(
            self,
            "role",
            name=account.role_name,
            assume_role_policy=trust_policy(),
            permissions_boundary=account.boundary if context.has_boundary else None,
        )
        policy = IamPolicy(
            self,
            "policy",
            name=account.role_name,
            policy=function_policy(account, settings, context.key_arn),
        )
        # The policy may name what does not exist yet, but the function must not lack the policy.
        permissions = IamRolePolicyAttachment(
            self, "attachment", role=role.name, policy_arn=policy.arn
        )
        asset = TerraformAsset(self, "package", path=str(package), type=AssetType.FILE)
        vpc = None
        if settings.subnet_ids:
            vpc = LambdaFunctionVpcConfig(
                subnet_ids=list(settings.subnet_ids),
                security_group_ids=list(settings.security_group_ids),
            )
        self.function = LambdaFunction(
            self,
            "function",
            function_name=context.names.function,
            description="Decides which price alerts came true",
            runtime="python3.13",
            architectures=["arm64"],
            handler="index.handler",
            filename=asset.path,
            source_code_hash=Fn.filebase64sha256(asset.path),
            code_signing_config_arn=settings.code_signing_config_arn,
            role=role.arn,
            timeout=settings.function_timeout_seconds,
            memory_size=settings.memory_mebibytes,
            reserved_concurrent_executions=settings.reserved_concurrency,
            environment=LambdaFunctionEnvironment(
                variables=_variables(context, messaging, storage)
            ),
            kms_key_arn=context.key_arn,
            dead_letter_config=LambdaFunctionDeadLetterConfig(
                target_arn=dead_letter_target(account)
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
        scaling = None
        if settings.maximum_concurrency is not None:
            scaling = LambdaEventSourceMappingScalingConfig(
                maximum_concurrency=settings.maximum_concurrency
            )
        # AWS rejects a mapping whose role may not read the queue, so the permissions come first.
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


def _variables(context: Context, messaging: Messaging, storage: Storage) -> dict[str, str]:
    """Return the function's environment variables, which `price_alerts.config` reads."""
    settings = context.settings
    variables = {
        "LATE_TICKS": str(settings.late_ticks),
        "TABLE_NAME": storage.table.name,
        "TOPIC_ARN": messaging.topic.arn,
        "METRICS_NAMESPACE": METRICS_NAMESPACE,
        "SERVICE_NAME": context.names.function,
    }
    if settings.high_price_threshold is not None:
        variables["HIGH_PRICE_THRESHOLD"] = f"{settings.high_price_threshold:f}"
    if settings.history_days is not None:
        variables["HISTORY_DAYS"] = str(settings.history_days)
    if settings.shapes:
        variables["SHAPES"] = json.dumps(settings.shapes, separators=(",", ":"))
    if messaging.people_topic:
        variables["PEOPLE_TOPIC_ARN"] = messaging.people_topic.arn
    if not settings.is_fifo:
        variables["QUEUE_URL"] = messaging.queue.url
    return variables
