"""What CI calls in AWS: the actions of the AWS provider, and those of the smoke test. Pure."""

from __future__ import annotations

# What the AWS provider asks to compare a stack with its state, and lib.deploy.preflight before
# that. CI cannot delete the table, the log or the key: that is for people.
LOOK = (
    *("cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"),
    *("dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable"),
    *("dynamodb:DescribeTimeToLive", "dynamodb:ListTagsOfResource"),
    *("iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRole", "iam:GetRolePolicy"),
    *("iam:ListAttachedRolePolicies", "iam:ListPolicyVersions", "iam:ListRolePolicies"),
    *("lambda:GetEventSourceMapping", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig"),
    *("lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration", "lambda:ListTags"),
    "lambda:ListVersionsByFunction",
    "logs:ListTagsForResource",
    *("sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:ListTagsForResource"),
    *("sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"),
)
LOOK_AT_KEY = (
    *("kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"),
)
KEEP_KEY = (
    *LOOK_AT_KEY,
    *("kms:EnableKeyRotation", "kms:PutKeyPolicy", "kms:UpdateKeyDescription"),
    *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"),
)
# AWS knows no resources to name for these. DescribeAlarms answers with alarms of both types, and of
# those that are composed only who is allowed it on "*". Source: Amazon CloudWatch API Reference.
LOOK_AT_ALL = (
    *("cloudwatch:DescribeAlarms", "kms:ListAliases", "lambda:GetAccountSettings"),
    *("logs:DescribeLogGroups", "sns:GetSubscriptionAttributes"),
)
LOOK_AT_NETWORK = ("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs")
DEPLOY = (
    *("cloudwatch:DeleteAlarms", "cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"),
    *("cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"),
    *("dynamodb:CreateTable", "dynamodb:TagResource", "dynamodb:UntagResource"),
    *("dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive"),
    *("iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy"),
    *("iam:DeletePolicyVersion", "iam:DeleteRole", "iam:ListInstanceProfilesForRole"),
    *("iam:TagPolicy", "iam:TagRole", "iam:UntagPolicy", "iam:UntagRole"),
    *("iam:UpdateAssumeRolePolicy", "iam:UpdateRole"),
    *("lambda:CreateFunction", "lambda:DeleteFunction", "lambda:DeleteFunctionConcurrency"),
    *("lambda:PutFunctionConcurrency", "lambda:TagResource", "lambda:UntagResource"),
    *("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"),
    *("logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:DeleteRetentionPolicy"),
    *("logs:DisassociateKmsKey", "logs:PutRetentionPolicy", "logs:TagResource"),
    "logs:UntagResource",
    *("sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe"),
    *("sns:TagResource", "sns:UntagResource"),
    *("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:TagQueue"),
    "sqs:UntagQueue",
)
# What lib.client.rule_store calls to add a rule and to remove it, and lib.deploy.smoke to clean up.
KEEP_A_RULE = (
    *("dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"),
    "dynamodb:UpdateItem",
)
