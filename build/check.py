"""`make check`: every check that needs no running stack, all of them run before the first failure is reported."""

import subprocess
import sys
from pathlib import Path

from build.toolchain import ROOT, SAM, clean_environment

BIN = Path(sys.executable).parent
DEPLOYED = ("layers/tocsin/tocsin", "functions")


def checks() -> list[tuple[str, list[str | Path]]]:
    """Each check's name and command. Every function's module is named `app`, so mypy sees them one at a time."""
    mypy: list[str | Path] = [BIN / "mypy", "--no-error-summary"]
    functions = sorted(ROOT.glob("functions/*/app.py"))
    return [
        ("lint", [BIN / "ruff", "check", "--quiet", "."]),
        ("environment", [BIN / "ruff", "check", "--quiet", "--config", ".ci/environment.toml", *DEPLOYED]),
        ("format", [BIN / "ruff", "format", "--check", "--quiet", "."]),
        ("types", [*mypy, "layers/tocsin/tocsin", "local", "build", "demo", "tests"]),
        *((f"types of {path.parent.name}", ["env", f"MYPYPATH={path.parent}", *mypy, path]) for path in functions),
        ("template", [BIN / "cfn-lint", "template.yaml"]),
        ("sam validate", [SAM, "validate", "--region", "us-east-1", "--template-file", "template.yaml"]),
    ]


def main() -> int:
    """Run them all; the exit code says whether one failed."""
    failed = []
    for name, command in checks():
        done = subprocess.run(command, cwd=ROOT, env=clean_environment({}), capture_output=True, text=True, check=False)
        print(f"{'ok' if done.returncode == 0 else 'FAILED':6} {name}", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    print(f"{len(failed)} of {len(checks())} checks failed: {', '.join(failed)}" if failed else "All checks passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
