"""What cdktf and the command line are started with, what is copied for them, what they return."""

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
from lib.local import command_line
from lib.local import deployment as module
from lib.local.command_line import CommandLine
from lib.local.deployment import QUICK_RETRIES, Deployment
from lib.local.emulator import Emulator
from lib.local.toolchain import Toolchain
from tests.unit.local.doubles import HOLD, SignOfLife, make_command

pytestmark = pytest.mark.timeout(30)

EMULATOR = Emulator("http://127.0.0.1:4566", "eu-west-1")
# Notes what it was started with, and behaves like a deployment that ends well.
CDKTF = r"""
import json, os, sys
with open("record.json", "w") as record:
    json.dump([sys.argv[1:], dict(os.environ)], record)
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
        "environments": {"dev": {"batch_size": 1, "log_level": "INFO"}, "prod": {"batch_size": 9}},
    },
}
THEIRS = """
    AWS_ACCESS_KEY_ID AWS_ENDPOINT_URL_SQS AWS_PROFILE AWS_SESSION_TOKEN CDKTF_CONTEXT_JSON
    TAP_ENVIRONMENT TAP_OTHER TERRAFORM_BINARY_NAME TERRAFORM_CLOUD TF_DATA_DIR TF_VAR_x
    TF_WORKSPACE MAKEFLAGS MAKELEVEL MFLAGS
"""


class Workshop:
    """A project, a folder to deploy it from, and a cdktf that pretends."""

    def __init__(self, root: Path) -> None:
        self.project = root / "project"
        self.folder = root / "folder"
        self.folder.mkdir()
        for name in ("main.py", "lib/stack.py", "lib/__pycache__/stack.pyc", "tests/test.py"):
            (self.project / name).parent.mkdir(parents=True, exist_ok=True)
            (self.project / name).write_text(name)
        (self.project / "cdktf.json").write_text(json.dumps(CONFIGURATION))
        self.cdktf = make_command(root / "bin" / "cdktf", CDKTF)

    def deployment(
        self, settings: Mapping[str, Any] | None = None, cli_configuration: str | None = None
    ) -> Deployment:
        toolchain = Toolchain(str(self.cdktf), "/their/terraform", cli_configuration)
        return Deployment(self.folder, toolchain, EMULATOR, settings or {})

    def record(self) -> tuple[list[str], dict[str, str]]:
        """Return the arguments and the environment that cdktf was started with."""
        arguments, environment = json.loads((self.folder / "record.json").read_text())
        return arguments, environment

    def environment(self, cli_configuration: str | None = None) -> Mapping[str, str]:
        self.deployment(None, cli_configuration).deploy()
        return self.record()[1]


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    workshop = Workshop(tmp_path)
    monkeypatch.setattr(module, "_PROJECT", workshop.project)
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    return workshop


def test_the_app_is_copied_with_settings_of_its_own_and_no_backend(workshop: Workshop) -> None:
    workshop.deployment({"batch_size": 5})
    files = sorted(path.name for path in workshop.folder.rglob("*") if path.is_file())
    assert files == ["cdktf.json", "main.py", "stack.py"]
    configuration: Any = json.loads((workshop.folder / "cdktf.json").read_text())
    assert shlex.split(configuration.pop("app")) == [sys.executable, "main.py"]
    assert configuration == {
        "language": "python",
        "projectId": "embedded",
        "sendCrashReports": "false",
        "context": {
            "common": {"batch_size": 10},
            "environments": {
                "dev": {"batch_size": 5, "log_level": "INFO"},
                "prod": {"batch_size": 9},
            },
        },
    }
    assert json.loads((workshop.project / "cdktf.json").read_text()) == CONFIGURATION


def test_cdktf_is_led_to_the_embedded_aws_and_nowhere_else(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*THEIRS.split(), "NODE_OPTIONS"):
        monkeypatch.setenv(name, "theirs")
    environment = workshop.environment()
    assert [name for name, value in environment.items() if value == "theirs"] == ["NODE_OPTIONS"]
    assert EMULATOR.variables.items() <= environment.items()
    plugins = tmp_path / "cache" / "terraform-plugins"
    assert plugins.is_dir()
    assert {
        "CDKTF_HOME": str(workshop.folder),
        "CHECKPOINT_DISABLE": "1",
        "CI": "1",
        "TAP_ENVIRONMENT": "dev",
        "TERRAFORM_BINARY_NAME": "/their/terraform",
        "TF_PLUGIN_CACHE_DIR": str(plugins),
        "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1",
    }.items() <= environment.items()


def test_a_configuration_for_the_provider_is_written_for_terraform(workshop: Workshop) -> None:
    file = Path(workshop.environment("provider_installation {}")["TF_CLI_CONFIG_FILE"])
    assert (file.parent, file.read_text()) == (workshop.folder, "provider_installation {}")


@pytest.mark.parametrize("exists", [True, False])
def test_the_users_own_configuration_is_passed_on_if_it_exists(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, *, exists: bool
) -> None:
    file = workshop.project / "mine.tfrc"
    if exists:
        file.touch()
    monkeypatch.chdir(workshop.project)
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", file.name)
    assert workshop.environment().get("TF_CLI_CONFIG_FILE") == (str(file) if exists else None)


USUAL = ["tap-dev", "--no-color", "--skip-provider-lock"]


@pytest.mark.parametrize(
    ("method", "result", "arguments"),
    [
        (
            "deploy",
            {"queue_url": "https://queue"},
            ["deploy", "--auto-approve", "--outputs-file", "outputs.json", *USUAL],
        ),
        ("plan", "Initializing the backend...\nNo changes.", ["diff", *USUAL]),
        (
            "destroy",
            "Initializing the backend...\nNo changes.",
            ["destroy", "--auto-approve", *USUAL],
        ),
    ],
)
def test_cdktf_is_called_without_questions_and_its_result_returned(
    workshop: Workshop, method: str, result: object, arguments: list[str]
) -> None:
    assert getattr(workshop.deployment(), method)() == result
    assert workshop.record()[0] == arguments


def test_a_failure_ends_with_cdktfs_last_lines(workshop: Workshop) -> None:
    make_command(workshop.cdktf, FAILING_CDKTF)
    with pytest.raises(LocalError) as error:
        workshop.deployment().deploy()
    last = [f"line {number}" for number in range(11, 31)]
    assert str(error.value).splitlines() == ["cdktf failed; its last lines were:", *last]


def test_each_line_is_passed_on_without_decoration(workshop: Workshop) -> None:
    lines: list[str] = []
    with workshop.deployment().deploying(lines.append) as running:
        running.wait()
    assert lines == ["Initializing the backend...", "", "No changes."]


def test_leaving_a_deployment_early_ends_it(workshop: Workshop, sign: SignOfLife) -> None:
    make_command(workshop.cdktf, f"import sys; sys.argv[1:] = [{sign.path!r}]\n{HOLD}")
    with workshop.deployment().deploying():
        sign.begins()
    assert sign.has_ended()


def test_the_real_project_accepts_the_settings_for_quick_retries(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PROJECT", Path(__file__).parents[3])
    workshop.deployment(QUICK_RETRIES)
    settings = load_settings(workshop.folder / "cdktf.json")
    assert (settings.function_timeout_seconds, settings.visibility_timeout_seconds) == (1, 6)


def test_the_command_line_sees_the_embedded_aws_and_fails_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib" / "cli").mkdir(parents=True)
    (tmp_path / "lib" / "cli" / "__main__.py").write_text(
        "import json, os, sys\n"
        "if sys.argv[1] == 'fail': sys.exit('no such rule\\n')\n"
        "print(json.dumps([sys.argv[1:], dict(os.environ)]))\n"
    )
    modules = [Path(each) for each in command_line._MODULES.split(":")]
    assert [(modules[0] / "lib").is_dir(), (modules[1] / "price_alerts").is_dir()] == [True, True]
    monkeypatch.setattr(command_line, "_PROJECT", tmp_path)
    monkeypatch.setattr(command_line, "_MODULES", str(tmp_path))
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("TAP_ENVIRONMENT", "prod")

    words, environment = json.loads(CommandLine(EMULATOR).run("add", "AAPL"))

    assert (words, environment["TAP_ENVIRONMENT"]) == (["add", "AAPL"], "dev")
    aws = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    assert aws == EMULATOR.variables | {"AWS_DEFAULT_REGION": "eu-west-1"}
    with pytest.raises(LocalError, match=r"\./alerts fail now: no such rule"):
        CommandLine(EMULATOR).run("fail", "now")
