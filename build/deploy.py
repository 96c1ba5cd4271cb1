"""`make deploy`: build for the template's runtime and deploy to the account that the caller's AWS credentials are for.

CONFIG names a section of samconfig.toml; the template's parameters can be given in upper snake case, as for `make up`.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from build.release import TEMPLATE, parameters_from, release_digest
from build.toolchain import ROOT, SAM, UV


def parameters(config: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What is given now: samconfig.toml's parameters, then the environment's, then the release that follows from both.

    What is not given keeps the value of the deployment before.
    """
    section = tomllib.loads((ROOT / "samconfig.toml").read_text())[config]
    configured = dict(pair.split("=", 1) for pair in section["deploy"]["parameters"].get("parameter_overrides", []))
    given = configured | parameters_from(environment)
    return given | {"Release": release_digest(given)}


def main() -> int:
    """Build, then deploy. SAM shows the changes and asks before it makes them."""
    config = os.environ.get("CONFIG", "default")
    try:
        overrides = [f'{name}="{value}"' for name, value in parameters(config, os.environ).items()]
    except KeyError:
        print(f"samconfig.toml has no section {config}.deploy.parameters", file=sys.stderr)
        return 1
    common: list[str | Path] = ["--config-file", ROOT / "samconfig.toml", "--config-env", config]
    environment = {**os.environ, "UV": str(UV), "TOCSIN_LAYER_TARGET": "lambda"}
    build = [SAM, "build", "--template-file", TEMPLATE, *common]
    deploy = [SAM, "deploy", *common, "--parameter-overrides", *overrides]
    for command in (build, deploy):
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
