"""The alert function: code, role, log and the mapping that feeds it from the queue."""

from __future__ import annotations

from pathlib import Path

from cdktf import AssetType, Fn, TerraformAsset
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.data_aws_iam_policy_document import (
    DataAwsIamPolicyDocument,
    DataAwsIamPolicyDocumentStatement,
    DataAwsIamPolicyDocumentStatementPrincipals,
)
from cdktf_cdktf_provider_aws.dynamodb_table import DynamodbTable
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy_attachment import IamRolePolicyAttachment
from cdktf_cdktf_provider_aws.lambda_event_source_mapping import (
    LambdaEventSourceMapping,
    LambdaEventSourceMappingScalingConfig,
)
from cdktf_cdktf_provider_aws.lambda_function import (
    LambdaFunction,
    LambdaFunctionEnvironment,
    LambdaFunctionLoggingConfig,
)
from constructs import Construct

from lib.messaging import Messaging
from lib.names import Names
from lib.settings import Settings

__all__ = ["AlertFunction"]

METRICS_NAMESPACE = "PriceAlerts"


class AlertFunction(Construct):
    """The function, with a role that allows what it does and nothing else.

    Parameters
    ----------
    scope, construct_id, settings
        As in every construct.
    package
        The function's zip.
    messaging, table
        What it reads from, announces to and writes to.
    """

    def __init__(  # noqa: PLR0913  # the two leading ones are every construct's
        self,
        scope: Construct,
        construct_id: str,
        settings: Settings,
        *,
        package: Path,
        messaging: Messaging,
        table: DynamodbTable,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._messaging = messaging
        self._table = table
        names = Names(settings.environment)
        self._name = names.function
        log_group = CloudwatchLogGroup(
            self,
            "log",
            name=names.log_group,
            retention_in_days=settings.log_retention_days,
        )
        role = self._build_role()
        permissions = self._build_permissions(role, log_group)
        self.function = self._build_function(package, role, log_group, permissions)
        self._build_mapping(permissions)

    def _build_role(self) -> IamRole:
        trust = DataAwsIamPolicyDocument(
            self,
            "trust",
            statement=[
                DataAwsIamPolicyDocumentStatement(
                    actions=["sts:AssumeRole"],
                    principals=[
                        DataAwsIamPolicyDocumentStatementPrincipals(
                            type="Service", identifiers=["lambda.amazonaws.com"]
                        )
                    ],
                )
            ],
        )
        # Roles are global to the account; the region keeps two deployments apart.
        return IamRole(
            self,
            "role",
            name=f"{self._name}-{self._settings.region}",
            assume_role_policy=trust.json,
        )

    def _build_permissions(
        self, role: IamRole, log_group: CloudwatchLogGroup
    ) -> IamRolePolicyAttachment:
        document = DataAwsIamPolicyDocument(
            self,
            "permissions",
            statement=[
                DataAwsIamPolicyDocumentStatement(sid=sid, actions=actions, resources=[resource])
                for sid, actions, resource in (
                    (
                        "TakeMessages",
                        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                        self._messaging.queue.arn,
                    ),
                    (
                        "KeepRulesStatesAndFirings",
                        [
                            f"dynamodb:{action}"  # a transaction needs those of its parts
                            for action in (
                                *("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem"),
                                *("PutItem", "Query", "UpdateItem"),
                            )
                        ],
                        self._table.arn,
                    ),
                    ("Announce", ["sns:Publish"], self._messaging.topic.arn),
                    (
                        "Log",
                        ["logs:CreateLogStream", "logs:PutLogEvents"],
                        f"{log_group.arn}:log-stream:*",
                    ),
                )
            ],
        )
        policy = IamPolicy(
            self, "policy", name=f"{self._name}-{self._settings.region}", policy=document.json
        )
        return IamRolePolicyAttachment(self, "attachment", role=role.name, policy_arn=policy.arn)

    def _build_function(
        self,
        package: Path,
        role: IamRole,
        log_group: CloudwatchLogGroup,
        permissions: IamRolePolicyAttachment,
    ) -> LambdaFunction:
        settings = self._settings
        asset = TerraformAsset(self, "package", path=str(package), type=AssetType.FILE)
        environment = {
            "TABLE_NAME": self._table.name,
            "TOPIC_ARN": self._messaging.topic.arn,
            "POWERTOOLS_LOG_LEVEL": settings.log_level,
            "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
            "POWERTOOLS_SERVICE_NAME": self._name,
        }
        if settings.high_price_threshold is not None:
            environment["HIGH_PRICE_THRESHOLD"] = f"{settings.high_price_threshold:f}"
        return LambdaFunction(
            self,
            "function",
            function_name=self._name,
            description="Decides which price alerts came true",
            runtime="python3.13",
            architectures=["arm64"],
            handler="index.handler",
            filename=asset.path,
            source_code_hash=Fn.filebase64sha256(asset.path),
            role=role.arn,
            timeout=settings.function_timeout_seconds,
            memory_size=settings.memory_mebibytes,
            reserved_concurrent_executions=settings.reserved_concurrency,
            environment=LambdaFunctionEnvironment(variables=environment),
            logging_config=LambdaFunctionLoggingConfig(
                # Lambda's own level has the last word, over Powertools' as well.
                log_format="JSON",
                application_log_level=settings.log_level,
                log_group=log_group.name,
            ),
            depends_on=[permissions],
        )

    def _build_mapping(self, permissions: IamRolePolicyAttachment) -> None:
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
            event_source_arn=self._messaging.queue.arn,
            function_name=self.function.function_name,
            batch_size=settings.batch_size,
            maximum_batching_window_in_seconds=settings.batch_window_seconds,
            function_response_types=["ReportBatchItemFailures"],
            scaling_config=scaling,
            depends_on=[permissions],
        )
