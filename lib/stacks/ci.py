"""tap-ci: the roles that GitHub's workflows assume, without a stored key."""

from __future__ import annotations

from cdktf import TerraformOutput, TerraformStack
from constructs import Construct

from lib.stacks.aws_provider import add_aws_provider  # first: it makes the imports below quick

# isort: split

from cdktf_cdktf_provider_aws.data_aws_caller_identity import DataAwsCallerIdentity
from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition
from cdktf_cdktf_provider_aws.iam_openid_connect_provider import IamOpenidConnectProvider
from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy

from lib.backend.ci import Ci
from lib.config.document import CI_ENVIRONMENT, stack_name
from lib.config.names import Account, Names
from lib.config.settings import Settings
from lib.stacks.ci_policies import (
    GITHUB,
    boundary_policy,
    deploy_policy,
    plan_policy,
    trust_policy,
)


class CiStack(TerraformStack):
    """GitHub's OIDC provider, a role that deploys for each environment, and one that plans.

    There is one role per environment: what runs before prod is approved cannot reach prod.
    """

    def __init__(self, scope: Construct, ci: Ci) -> None:
        name = stack_name(CI_ENVIRONMENT)
        super().__init__(scope, name)
        add_aws_provider(self, ci.environments[0].region, tags={"stack": name})
        partition = DataAwsPartition(self, "partition").partition
        account_id = DataAwsCallerIdentity(self, "caller").account_id
        accounts = [
            Account(partition, account_id, each.region, Names(each.environment, each.is_fifo))
            for each in ci.environments
        ]
        state_keys = [ci.state_key.replace("{stack}", each.prefix) for each in ci.environments]
        self._repository = ci.settings.repository
        if ci.settings.oidc_provider_exists:
            self._provider_arn = accounts[0].global_arn("iam", f"oidc-provider/{GITHUB}")
        else:
            self._provider_arn = IamOpenidConnectProvider(
                self, "github", url=f"https://{GITHUB}", client_id_list=["sts.amazonaws.com"]
            ).arn
        for settings, account, key in zip(ci.environments, accounts, state_keys, strict=True):
            self._build_deployer(settings, account, ci, key)
        policy = plan_policy(accounts, ci.environments, ci.store, state_keys)
        self._build_role("plan", f"{name}-plan", "pull_request", policy)

    def _build_deployer(self, settings: Settings, account: Account, ci: Ci, state_key: str) -> None:
        environment = settings.environment
        boundary = IamPolicy(
            self,
            f"boundary-{environment}",
            name=account.boundary_name,
            description=f"All that the role of {account.names.function} can be allowed",
            policy=boundary_policy(account, settings),
        )
        policy = deploy_policy(account, settings, ci.store, state_key, boundary.arn)
        subject = f"environment:{environment}"
        self._build_role(f"deploy-{environment}", account.deploy_role_name, subject, policy)

    def _build_role(self, construct_id: str, name: str, subject: str, policy: str) -> None:
        trust = trust_policy(self._provider_arn, f"repo:{self._repository}:{subject}")
        role = IamRole(self, construct_id, name=name, assume_role_policy=trust)
        IamRolePolicy(
            self, f"{construct_id}-policy", name=construct_id, role=role.id, policy=policy
        )
        TerraformOutput(self, f"{construct_id}-role", value=role.arn, static_id=True)
