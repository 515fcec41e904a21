"""tap-ci: the roles that GitHub's workflows take, without a key that is stored anywhere."""

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
from lib.config.settings import DEFAULT_ENVIRONMENT, Settings
from lib.stacks.ci_policies import (
    GITHUB,
    boundary_policy,
    deploy_policy,
    plan_policy,
    trust_policy,
)
from lib.stacks.ci_state_policy import StateObject


class CiStack(TerraformStack):
    """GitHub's OIDC provider, a role that deploys for each environment, and one that plans.

    A role for each: what runs before prod is approved cannot reach prod.

    Parameters
    ----------
    scope
        The app.
    ci
        What it is made of.
    """

    def __init__(self, scope: Construct, ci: Ci) -> None:
        super().__init__(scope, stack_name(CI_ENVIRONMENT))
        self._ci = ci
        add_aws_provider(
            self, ci.environments[0].region, tags={"stack": stack_name(CI_ENVIRONMENT)}
        )
        self._partition = DataAwsPartition(self, "partition").partition
        self._account_id = DataAwsCallerIdentity(self, "caller").account_id
        self._provider_arn = self._find_provider()
        for settings in ci.environments:
            self._build_deployer(settings)
        self._build_planner()

    def _find_provider(self) -> str:
        if self._ci.settings.oidc_provider_exists:
            return self._account(self._ci.environments[0]).global_arn(
                "iam", f"oidc-provider/{GITHUB}"
            )
        provider = IamOpenidConnectProvider(
            self, "github", url=f"https://{GITHUB}", client_id_list=["sts.amazonaws.com"]
        )
        return provider.arn

    def _build_deployer(self, settings: Settings) -> None:
        environment = settings.environment
        account = self._account(settings)
        boundary = IamPolicy(
            self,
            f"boundary-{environment}",
            name=account.boundary_name,
            description=f"All that the role of {account.names.function} can be allowed",
            policy=boundary_policy(account, settings),
        )
        self._build_role(
            f"deploy-{environment}",
            account.deploy_role_name,
            f"environment:{environment}",
            deploy_policy(
                account,
                settings,
                self._state(settings),
                boundary.arn,
                may_smoke=environment == DEFAULT_ENVIRONMENT,
            ),
        )

    def _build_planner(self) -> None:
        environments = self._ci.environments
        policy = plan_policy(
            [self._account(settings) for settings in environments],
            environments,
            [self._state(settings) for settings in environments],
        )
        self._build_role("plan", f"{stack_name(CI_ENVIRONMENT)}-plan", "pull_request", policy)

    def _build_role(self, construct_id: str, name: str, subject: str, policy: str) -> None:
        repository = self._ci.settings.repository
        role = IamRole(
            self,
            construct_id,
            name=name,
            assume_role_policy=trust_policy(self._provider_arn, f"repo:{repository}:{subject}"),
        )
        IamRolePolicy(
            self, f"{construct_id}-policy", name=construct_id, role=role.id, policy=policy
        )
        TerraformOutput(self, f"{construct_id}-role", value=role.arn, static_id=True)

    def _account(self, settings: Settings) -> Account:
        names = Names(settings.environment, settings.is_fifo)
        return Account(self._partition, self._account_id, settings.region, names)

    def _state(self, settings: Settings) -> StateObject:
        return StateObject(self._ci.store, self._ci.state_key.replace("{stack}", settings.prefix))
