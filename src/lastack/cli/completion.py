"""`lastack completion`: the lines that make a shell complete our words."""

import click
from click.shell_completion import get_completion_class

from lastack.cli.spoken import Spoken, help_lang_option

_VARIABLE = "_LASTACK_COMPLETE"


@click.command(cls=Spoken)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@help_lang_option
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands, options and values of lastack.

    \b
    bash:  eval "$(lastack completion bash)"              in ~/.bashrc
    zsh:   eval "$(lastack completion zsh)"               in ~/.zshrc
    fish:  lastack completion fish | source               in config.fish

    The same text comes from `_LASTACK_COMPLETE=bash_source lastack`.
    """
    from lastack.cli.main import lastack

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"click cannot complete in {shell}")
    click.echo(found(lastack, {}, "lastack", _VARIABLE).source())
