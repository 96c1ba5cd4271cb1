"""The example renewer in the embedded AWS: built for its interpreter, and deployed as into a real account."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from build.toolchain import AWS_PYTHON, LOCAL, ROOT, SAM, UV, clean_environment, run
from local.stack import Stack

EXAMPLE = ROOT / "examples" / "renewer"
BUILDS = LOCAL / "build-renewer"


def build() -> Path:
    """Build it for this machine's interpreter, once for each state of its sources; give the built template."""
    target = BUILDS / _digest()
    if not (target / "done").exists():
        wheels = {"TOCSIN_LAYER_TARGET": "local", "TOCSIN_LAYER_PYTHON": str(AWS_PYTHON), "UV": str(UV)}
        run(
            [SAM, "build", "--template-file", EXAMPLE / "template.yaml", "--build-dir", target],
            log=BUILDS / "build.log",
            environment=clean_environment(wheels),
        )
        (target / "done").touch()
        _forget_other_builds(target)
    return target / "template.yaml"


def _forget_other_builds(newest: Path) -> None:
    for done in BUILDS.glob("*/done"):
        if done.parent != newest:
            shutil.rmtree(done.parent)


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(EXAMPLE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(EXAMPLE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def deploy(stack: Stack, name: str, parameters: Mapping[str, str], *, log: Path) -> dict[str, str]:
    """Deploy it beside the stack whose renewals it is to do; give its outputs."""
    tocsin = {
        "TocsinApiId": stack.outputs["ApiId"],
        "TocsinApiStage": stack.outputs["ApiStage"],
        "TocsinApiUrl": stack.api_url,
    }
    overrides = [f'{name}="{value}"' for name, value in {**tocsin, **parameters}.items()]
    run(
        [
            *(SAM, "deploy", "--template-file", build(), "--stack-name", name),
            *("--config-file", ROOT / "samconfig.toml", "--config-env", "local"),
            *("--parameter-overrides", *overrides),
        ],
        log=log,
        environment=clean_environment({**stack.variables, "SAM_CLI_POLL_DELAY": "0.3"}),  # seconds
    )
    (described,) = stack.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
