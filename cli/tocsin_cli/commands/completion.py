"""`tocsin completion`: what makes a shell complete the commands and their options."""

import click
from click.shell_completion import get_completion_class

from tocsin_cli import screen
from tocsin_cli.options import example

_EXAMPLES = example(
    'eval "$(tocsin completion bash)"      # in ~/.bashrc',
    'eval "$(tocsin completion zsh)"       # in ~/.zshrc',
    "tocsin completion fish > ~/.config/fish/completions/tocsin.fish",
)


@click.command(epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"{shell} is not known.")
    made = found(ctx.find_root().command, {}, "tocsin", "_TOCSIN_COMPLETE")
    screen.line(made.source_template % made.source_vars())
