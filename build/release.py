"""`sam build` and `sam deploy` as they are for a real account, skipped where nothing has changed."""

import fcntl
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from build.template import TEMPLATE, parameter_defaults
from build.toolchain import AWS_PYTHON, LOCAL, ROOT, SAM, UV, ToolError, clean_environment, run

SOURCES = ("template.yaml", "functions", "layers", "build/dashboard.yaml")
BUILDS = LOCAL / "build"
BUILDS_KEPT = 4
GIVEN_BY_US = {"Environment", "Release"}  # never taken from the caller's environment


def parameters_from(environment: Mapping[str, str]) -> dict[str, str]:
    """The parameters that the environment names in upper snake case: BACKOFF_BASE_SECONDS is BackoffBaseSeconds."""
    settable = {_upper_snake(name): name for name in parameter_defaults().keys() - GIVEN_BY_US}
    return {settable[name]: value for name, value in environment.items() if name in settable}


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def source_digest() -> str:
    """A digest of all that `sam build` reads."""
    digest = hashlib.sha256()
    for path in _source_files():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        top = ROOT / name
        found = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def release_digest(parameters: Mapping[str, str]) -> str:
    """The template's `Release`: new code or a new parameter gives a new one."""
    told = "".join(f"{name}={value}\n" for name, value in sorted(parameters.items()) if name != "Release")
    return hashlib.sha256((source_digest() + told).encode()).hexdigest()[:20]


def build() -> Path:
    """Build for this machine's interpreter, once for each state of the sources; where the result is.

    Each state has a directory of its own: a build never pulls the ground from under a deployment that still runs.
    """
    with _one_at_a_time(BUILDS / "lock"):
        target = BUILDS / source_digest()[:16]
        done = target / "done"
        if not done.exists():
            local_wheels = {"TOCSIN_LAYER_TARGET": "local", "TOCSIN_LAYER_PYTHON": str(AWS_PYTHON), "UV": str(UV)}
            run(
                [SAM, "build", "--template-file", TEMPLATE, "--build-dir", target],
                log=BUILDS / "build.log",
                environment=clean_environment(local_wheels),
            )
            done.touch()
            _forget_old_builds()
    return target


def _forget_old_builds() -> None:
    newest_first = sorted(BUILDS.glob("*/done"), key=lambda done: done.stat().st_mtime, reverse=True)
    for done in newest_first[BUILDS_KEPT:]:
        shutil.rmtree(done.parent)


def deploy(stack_name: str, parameters: Mapping[str, str], environment: Mapping[str, str], *, log: Path) -> None:
    """Build and deploy to the embedded AWS. Every parameter is given: none is left over from the deployment before."""
    template = _with_release(build() / "template.yaml", parameters["Release"])
    overrides = [f'{name}="{value}"' for name, value in parameters.items()]
    quick = {"SAM_CLI_POLL_DELAY": "0.3"}  # seconds; the default of 5 is meant for the real CloudFormation
    run(
        [
            *(SAM, "deploy", "--template-file", template, "--stack-name", stack_name),
            *("--config-file", ROOT / "samconfig.toml", "--config-env", "local"),
            *("--parameter-overrides", *overrides),
        ],
        log=log,
        environment=clean_environment({**environment, **quick}),
    )


def _with_release(template: Path, release: str) -> Path:
    """The built template, beside itself, with the release as the parameter's default as well.

    The embedded AWS expands the template without the parameters' values, so SAM would find no new release in them.
    """
    expanded = template.with_name(f"template-{release}.yaml")
    text, count = re.subn(
        r"(?m)^(  Release:\n(?:    .*\n)*?    Default: ).*$", rf"\g<1>'{release}'", template.read_text()
    )
    if count != 1:
        raise ToolError(f"{template} has no parameter Release with a default")
    expanded.write_text(text)
    return expanded


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
