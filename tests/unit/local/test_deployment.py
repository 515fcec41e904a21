"""The deployment: what cdktf is started with, what is copied, what comes of it."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lib.config.settings import load_settings
from lib.formats.errors import LocalError
from lib.local import deployment as module
from lib.local.deployment import QUICK_RETRIES, Deployment
from lib.local.emulator import CREDENTIALS, Emulator
from lib.local.toolchain import Toolchain
from tests.unit.local.doubles import HOLD, SignOfLife, make_command

pytestmark = pytest.mark.timeout(30)

# Notes what it was started with, and behaves like a deployment that ends well.
CDKTF = r"""
import json, os, sys
with open("record.json", "w") as record:
    json.dump({"arguments": sys.argv[1:], "environment": dict(os.environ)}, record)
print("\x1b[2Ktap-dev  \x1b[32mInitializing the backend...\x1b[0m")
print("\u280b  Synthesizing")
print("tap-dev  No changes.")
if "--outputs-file" in sys.argv:
    with open(sys.argv[sys.argv.index("--outputs-file") + 1], "w") as outputs:
        json.dump({"tap-dev": {"queue_url": "https://queue"}}, outputs)
"""
FAILING_CDKTF = """
for number in range(1, 31):
    print(f"tap-dev  line {number}")
raise SystemExit(1)
"""
CONFIGURATION = {
    "language": "python",
    "app": "rm -rf /",
    "projectId": "theirs",
    "terraformBackend": {"type": "s3"},
    "context": {
        "common": {"batch_size": 10},
        "environments": {
            "dev": {"batch_size": 1, "log_level": "INFO"},
            "prod": {"batch_size": 100},
        },
    },
}

NO_SETTINGS: Mapping[str, Any] = {}
THEIRS = [
    *("AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL_SQS", "AWS_PROFILE", "AWS_SESSION_TOKEN"),
    *("CDKTF_CONTEXT_JSON", "TAP_ENVIRONMENT", "TAP_OTHER"),
    *("TERRAFORM_BINARY_NAME", "TERRAFORM_CLOUD"),
    *("TF_DATA_DIR", "TF_VAR_x", "TF_WORKSPACE"),
]


class Workshop:
    """A project, a folder to deploy it from, and a cdktf that pretends."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.folder = root / "folder"
        self.folder.mkdir()
        self.cache = root / "cache"
        for name in ("main.py", "lib/stack.py", "lib/__pycache__/stack.pyc", "tests/test.py"):
            file = self.project / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
        (self.project / "cdktf.json").write_text(json.dumps(CONFIGURATION))
        self.cdktf = root / "bin" / "cdktf"
        make_command(self.cdktf, CDKTF)

    def deployment(
        self, settings: Mapping[str, Any] = NO_SETTINGS, cli_configuration: str | None = None
    ) -> Deployment:
        toolchain = Toolchain(str(self.cdktf), "/their/terraform", cli_configuration)
        emulator = Emulator("http://127.0.0.1:4566", "us-east-1")
        return Deployment(self.folder, toolchain, emulator, settings)

    def configuration(self) -> Any:
        return json.loads((self.folder / "cdktf.json").read_text())

    def environment(self, cli_configuration: str | None = None) -> dict[str, str]:
        """Deploy; returns the environment that cdktf had."""
        self.deployment(NO_SETTINGS, cli_configuration).deploy()
        environment: dict[str, str] = self.record()["environment"]
        return environment

    def arguments(self) -> list[str]:
        arguments: list[str] = self.record()["arguments"]
        return arguments

    def record(self) -> Any:
        return json.loads((self.folder / "record.json").read_text())


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    workshop = Workshop(tmp_path)
    monkeypatch.setattr(module, "_PROJECT", workshop.project)
    monkeypatch.setattr(module, "CACHE", workshop.cache)
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    return workshop


def test_the_app_is_copied_without_what_python_made_of_it(workshop: Workshop) -> None:
    workshop.deployment()
    files = sorted(path.name for path in workshop.folder.rglob("*") if path.is_file())
    assert files == ["cdktf.json", "main.py", "stack.py"]


def test_the_settings_lie_over_those_of_the_environment(workshop: Workshop) -> None:
    workshop.deployment({"batch_size": 5})
    environments = workshop.configuration()["context"]["environments"]
    assert environments["dev"] == {"batch_size": 5, "log_level": "INFO"}


def test_the_other_settings_are_the_projects(workshop: Workshop) -> None:
    workshop.deployment({"batch_size": 5})
    context = workshop.configuration()["context"]
    assert context["common"] == {"batch_size": 10}
    assert context["environments"]["prod"] == {"batch_size": 100}


def test_the_projects_own_configuration_stays_as_it_is(workshop: Workshop) -> None:
    workshop.deployment({"batch_size": 5})
    assert json.loads((workshop.project / "cdktf.json").read_text()) == CONFIGURATION


def test_nothing_but_the_settings_is_taken_from_the_projects_configuration(
    workshop: Workshop,
) -> None:
    workshop.deployment()
    configuration = workshop.configuration()
    assert configuration.keys() == {"app", "context", "language", "projectId", "sendCrashReports"}
    assert configuration["projectId"] != CONFIGURATION["projectId"]


def test_the_app_runs_on_this_python(workshop: Workshop) -> None:
    workshop.deployment()
    assert shlex.split(workshop.configuration()["app"]) == [sys.executable, "main.py"]


def test_cdktf_sees_nothing_of_the_users_that_would_lead_elsewhere(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in THEIRS:
        monkeypatch.setenv(name, "theirs")
    environment = workshop.environment()
    assert [name for name, value in environment.items() if value == "theirs"] == []


def test_cdktf_sees_what_else_the_user_has(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--theirs")
    assert workshop.environment()["NODE_OPTIONS"] == "--theirs"


def test_cdktf_is_led_to_the_embedded_aws(workshop: Workshop) -> None:
    environment = workshop.environment()
    assert {name: value for name, value in environment.items() if name.startswith("AWS_")} == {
        **CREDENTIALS,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


def test_cdktf_uses_the_terraform_that_was_found(workshop: Workshop) -> None:
    assert workshop.environment()["TERRAFORM_BINARY_NAME"] == "/their/terraform"


def test_cdktf_deploys_the_environment_that_the_settings_lie_over(workshop: Workshop) -> None:
    assert workshop.environment()["TAP_ENVIRONMENT"] == "dev"


def test_nothing_is_asked_of_a_terminal_or_of_hashicorp(workshop: Workshop) -> None:
    environment = workshop.environment()
    assert (environment["CI"], environment["CHECKPOINT_DISABLE"]) == ("1", "1")


def test_cdktf_keeps_what_is_its_own_in_the_deployments_folder(workshop: Workshop) -> None:
    assert workshop.environment()["CDKTF_HOME"] == str(workshop.folder)


def test_a_provider_that_was_downloaded_is_kept_for_the_next_deployment(
    workshop: Workshop,
) -> None:
    environment = workshop.environment()
    folder = Path(environment["TF_PLUGIN_CACHE_DIR"])
    assert folder.parent == workshop.cache
    assert folder.is_dir()
    assert environment["TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE"] == "1"


def test_a_way_to_the_provider_is_written_down_for_terraform(workshop: Workshop) -> None:
    file = Path(workshop.environment("provider_installation {}")["TF_CLI_CONFIG_FILE"])
    assert (file.parent, file.read_text()) == (workshop.folder, "provider_installation {}")


def test_the_users_own_way_to_the_provider_is_passed_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = workshop.project / "mine.tfrc"
    file.touch()
    monkeypatch.chdir(workshop.project)
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "mine.tfrc")
    assert workshop.environment()["TF_CLI_CONFIG_FILE"] == str(file)


def test_a_users_way_that_is_not_there_is_not_passed_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(workshop.project / "nothing.tfrc"))
    assert "TF_CLI_CONFIG_FILE" not in workshop.environment()


def test_deploy_returns_the_stacks_outputs(workshop: Workshop) -> None:
    assert workshop.deployment().deploy() == {"queue_url": "https://queue"}


def test_deploy_asks_cdktf_to_deploy_without_asking_back(workshop: Workshop) -> None:
    workshop.deployment().deploy()
    command, *arguments = workshop.arguments()
    assert command == "deploy"
    assert {"tap-dev", "--auto-approve", "--no-color", "--skip-provider-lock"} <= set(arguments)


def test_plan_returns_what_cdktf_says_would_change(workshop: Workshop) -> None:
    assert workshop.deployment().plan() == "Initializing the backend...\nNo changes."


def test_plan_asks_cdktf_for_the_difference(workshop: Workshop) -> None:
    workshop.deployment().plan()
    assert workshop.arguments() == ["diff", "tap-dev", "--no-color", "--skip-provider-lock"]


def test_destroy_returns_what_cdktf_says(workshop: Workshop) -> None:
    assert workshop.deployment().destroy().endswith("No changes.")


def test_destroy_asks_cdktf_to_destroy_without_asking_back(workshop: Workshop) -> None:
    workshop.deployment().destroy()
    assert workshop.arguments()[:3] == ["destroy", "--auto-approve", "tap-dev"]


def test_a_failure_ends_with_cdktfs_last_lines(workshop: Workshop) -> None:
    make_command(workshop.cdktf, FAILING_CDKTF)
    with pytest.raises(LocalError) as error:
        workshop.deployment().deploy()
    first, *last = str(error.value).splitlines()
    assert first == "cdktf failed; its last lines were:"
    assert last == [f"line {number}" for number in range(11, 31)]


def test_each_line_is_told_as_it_is_meant(workshop: Workshop) -> None:
    lines: list[str] = []
    with workshop.deployment().deploying(lines.append) as running:
        running.wait()
    assert lines == ["Initializing the backend...", "", "No changes."]


def test_leaving_a_deployment_early_ends_it(workshop: Workshop, sign: SignOfLife) -> None:
    make_command(workshop.cdktf, f"import sys; sys.argv[1:] = [{sign.path!r}]\n{HOLD}")
    with workshop.deployment().deploying():
        sign.begins()
    assert sign.has_ended()


def test_quick_retries_are_settings_that_the_real_project_accepts(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PROJECT", Path(__file__).parents[3])
    workshop.deployment(QUICK_RETRIES)
    settings = load_settings(workshop.folder / "cdktf.json")
    assert (settings.function_timeout_seconds, settings.visibility_timeout_seconds) == (1, 6)
