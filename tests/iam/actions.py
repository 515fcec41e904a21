"""What IAM makes of a call: which actions on which resources it asks for, and what it knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lib.config.names import Account
from tests.iam.provider_log import Call
from tests.iam.simulator import Policy, Request, left_to_iam

# How the SDK names a service, and how a policy does.
_SERVICES = {
    "CloudWatch": "cloudwatch",
    "CloudWatch Logs": "logs",
    "DynamoDB": "dynamodb",
    "EC2": "ec2",
    "IAM": "iam",
    "KMS": "kms",
    "Lambda": "lambda",
    "S3": "s3",
    "SNS": "sns",
    "SQS": "sqs",
    "STS": "sts",
}
# Operations that are allowed by an action of another name. Source: AWS, Service Authorization
# Reference, and "Required permissions for Amazon S3 API operations".
_NAMED_OTHERWISE = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
}
# Everybody may ask who they are.
_FREE = {"sts:GetCallerIdentity"}
# They name no resource, or one that AWS does not look at.
_ON_EVERYTHING = {
    "kms:CreateKey",
    "kms:ListAliases",
    "lambda:CreateEventSourceMapping",
    "logs:DescribeLogGroups",
    "sns:GetSubscriptionAttributes",
    "sns:Unsubscribe",
}
# What makes something also needs the action that tags it, if it has tags from the beginning.
_TAGGING = {
    "cloudwatch": "cloudwatch:TagResource",
    "dynamodb": "dynamodb:TagResource",
    "kms": "kms:TagResource",
    "lambda": "lambda:TagResource",
    "logs": "logs:TagResource",
    "sns": "sns:TagResource",
    "sqs": "sqs:TagQueue",
}
# Keys of AWS's own, which an account has without asking for them, are left to IAM like others.
_AWS_ALIAS = "alias/aws/"
_TAGGING_IN_IAM = {"iam:CreatePolicy": "iam:TagPolicy", "iam:CreateRole": "iam:TagRole"}


@dataclass(frozen=True)
class Deployed:
    """What is known of a stack, besides what a call says.

    Attributes
    ----------
    account
        Where it is.
    key
        The ARN of its key.
    policies
        The resources' policies, by their ARNs.
    """

    account: Account
    key: str
    policies: Mapping[str, Policy]

    @property
    def function(self) -> str:
        """The function's ARN."""
        return self.account.arn("lambda", f"function:{self.account.names.function}")

    def requests(self, calls: Iterable[Call]) -> list[Request]:
        """Return what IAM is asked for by the calls, each once."""
        found = (request for call in calls for request in self._of(call))
        return list({repr(request): request for request in found}.values())

    def _of(self, call: Call) -> Iterator[Request]:
        action = f"{_SERVICES[call.service]}:{call.operation}"
        action = _NAMED_OTHERWISE.get(action, action)
        if action in _FREE:
            return
        context = self._context(action, call)
        for resource in self._resources(action, call):
            yield self._request(action, resource, context)
        yield from self._besides(action, call, context)

    def _request(self, action: str, resource: str, context: Mapping[str, Any]) -> Request:
        policy = self.policies.get(resource.partition("/")[0] if ":s3:" in resource else resource)
        if _AWS_ALIAS in resource:
            policy = left_to_iam(self.account.account_id)
            resource = self.account.arn("kms", "key/of-aws")
        return Request(action, resource, context, policy, self.account.account_id)

    def _resources(self, action: str, call: Call) -> list[str]:
        if action in _ON_EVERYTHING or action.startswith("ec2:Describe"):
            return ["*"]
        found = {
            "cloudwatch": self._in_cloudwatch,
            "dynamodb": self._in_dynamodb,
            "iam": self._in_iam,
            "kms": self._in_kms,
            "lambda": self._in_lambda,
            "logs": self._in_logs,
            "s3": self._in_s3,
            "sns": self._in_sns,
            "sqs": self._in_sqs,
        }[action.partition(":")[0]](call)
        if not found:
            raise ValueError(f"it is not known what {call} is about")
        return found

    def _in_cloudwatch(self, call: Call) -> list[str]:
        said = call.parameters
        alarms = [*said.get("AlarmNames", []), *_given(said, "AlarmName")]
        dashboards = [*said.get("DashboardNames", []), *_given(said, "DashboardName")]
        return [
            *_given(said, "ResourceARN"),
            *(self.account.arn("cloudwatch", f"alarm:{name}") for name in alarms),
            *(self.account.global_arn("cloudwatch", f"dashboard/{name}") for name in dashboards),
        ]

    def _in_dynamodb(self, call: Call) -> list[str]:
        tables = _given(call.parameters, "TableName")
        return [
            *_given(call.parameters, "ResourceArn"),
            *(self.account.arn("dynamodb", f"table/{name}") for name in tables),
        ]

    def _in_iam(self, call: Call) -> list[str]:
        said = call.parameters
        if "RoleName" in said:
            return [self.account.global_arn("iam", f"role/{said['RoleName']}")]
        policies = _given(said, "PolicyName")
        return [
            *_given(said, "PolicyArn"),
            *(self.account.global_arn("iam", f"policy/{name}") for name in policies),
        ]

    def _in_kms(self, call: Call) -> list[str]:
        said = call.parameters
        if "AliasName" in said:
            return [self.account.arn("kms", said["AliasName"]), self.key]
        return [self._key(name) for name in _given(said, "KeyId")]

    def _key(self, name: str) -> str:
        """Return the ARN of a key that is called by its id, its ARN or its alias."""
        if "alias/" in name and _AWS_ALIAS not in name:
            return self.key
        return name if name.startswith("arn:") else self.account.arn("kms", f"key/{name}")

    def _in_lambda(self, call: Call) -> list[str]:
        _, kind, *rest = call.path.strip("/").split("/")
        if kind == "tags":
            return ["/".join(rest)]
        if kind == "event-source-mappings":
            return [self.account.arn("lambda", f"event-source-mapping:{rest[0]}")]
        name = rest[0] if rest else call.parameters["FunctionName"]
        configurations = _given(call.parameters, "CodeSigningConfigArn")
        return [self.account.arn("lambda", f"function:{name}"), *configurations]

    def _in_logs(self, call: Call) -> list[str]:
        # Its actions on tags know the group itself; to the others it is one with streams.
        groups = _given(call.parameters, "logGroupName")
        return [
            *_given(call.parameters, "resourceArn"),
            *(self.account.arn("logs", f"log-group:{name}:log-stream:") for name in groups),
        ]

    def _in_s3(self, call: Call) -> list[str]:
        return [f"arn:{self.account.partition}:s3:::{call.path.strip('/')}"]

    def _in_sns(self, call: Call) -> list[str]:
        said = call.parameters
        names = _given(said, "Name")
        return [
            *_given(said, "TopicArn"),
            *_given(said, "ResourceArn"),
            *(self.account.arn("sns", name) for name in names),
        ]

    def _in_sqs(self, call: Call) -> list[str]:
        said = call.parameters
        name = said.get("QueueName") or said["QueueUrl"].rpartition("/")[2]
        return [self.account.arn("sqs", name)]

    def _context(self, action: str, call: Call) -> dict[str, str | list[str]]:
        """Say what IAM knows of a call."""
        said, stack = call.parameters, self.account.names.stack
        context: dict[str, str | list[str]] = {}
        tags = _tags(said)
        if tags:
            context |= {f"aws:RequestTag/{name}": value for name, value in tags.items()}
            context["aws:TagKeys"] = sorted(tags)
        # What is there has its tags, as all that the provider makes; S3 does not tell them.
        is_of_aws = _AWS_ALIAS in said.get("KeyId", "")
        if not ("Create" in action or action.startswith("s3:") or is_of_aws):
            context["aws:ResourceTag/stack"] = stack
        if action.startswith("kms:") and "alias/" in said.get("KeyId", ""):
            context["kms:RequestAlias"] = said["KeyId"]
        if action in ("iam:AttachRolePolicy", "iam:DetachRolePolicy"):
            context["iam:PolicyARN"] = said["PolicyArn"]
            context["iam:PermissionsBoundary"] = self.account.boundary
        if action in ("iam:CreateRole", "iam:PutRolePermissionsBoundary"):
            context |= _known("iam:PermissionsBoundary", said.get("PermissionsBoundary"))
        if action.startswith("lambda:") and action.endswith("EventSourceMapping"):
            context["lambda:FunctionArn"] = self.function
        if action == "sns:Subscribe":
            context["sns:Protocol"] = said["Protocol"]
            context["sns:Endpoint"] = said["Endpoint"]
        if action.startswith("dynamodb:") and action.endswith("Item"):
            (key,) = said.get("Key", said.get("Item"))["LockID"].values()
            context["dynamodb:LeadingKeys"] = [key]
        return context

    def _besides(self, action: str, call: Call, context: Mapping[str, Any]) -> Iterator[Request]:
        """Return what IAM is asked for as well."""
        service, _, operation = action.partition(":")
        makes = operation.startswith("Create") or operation == "PutMetricAlarm"
        if makes and _tags(call.parameters):
            tagging = _TAGGING_IN_IAM.get(action) or _TAGGING[service]
            tags = {name: value for name, value in context.items() if name.startswith("aws:")}
            yield self._request(tagging, self._made(action, call), tags)
        if action == "lambda:CreateFunction":
            to = {"iam:PassedToService": "lambda.amazonaws.com"}
            yield self._request("iam:PassRole", call.parameters["Role"], to)
        # Source: DynamoDB, "Encryption at rest"; Lambda, "Securing environment variables".
        if action in ("dynamodb:CreateTable", "lambda:CreateFunction") and self.key:
            ours = {"aws:ResourceTag/stack": self.account.names.stack}
            lent = {"kms:GrantIsForAWSResource": "true"}
            yield self._request("kms:CreateGrant", self.key, {**ours, **lent})
            for use in ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"):
                yield self._request(use, self.key, ours)

    def _made(self, action: str, call: Call) -> str:
        """Return what a call makes, where its tags are put."""
        if action == "kms:CreateKey":
            return self.key
        if action == "lambda:CreateEventSourceMapping":
            return self.account.arn("lambda", "event-source-mapping:0a1b")
        return self._resources(action, call)[0].removesuffix(":log-stream:")


def _given(said: Mapping[str, Any], name: str) -> list[str]:
    return [said[name]] if name in said else []


def _known(name: str, value: str | None) -> dict[str, str]:
    return {} if value is None else {name: value}


def _tags(said: Mapping[str, Any]) -> dict[str, str]:
    """Read the tags in a call: each service writes them in its own way."""
    tags = said.get("Tags") or said.get("tags") or {}
    if isinstance(tags, dict):
        return dict(tags)
    return {tag.get("Key") or tag["TagKey"]: tag.get("Value") or tag["TagValue"] for tag in tags}
