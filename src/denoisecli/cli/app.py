"""The root command, its exit codes and its way with errors and signals."""

from __future__ import annotations

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from denoisecli import __version__
from denoisecli.errors import DenoiseError, is_of_memory, not_enough_memory
from denoisecli.safe_files import shortened, why

from . import streams
from .terminal import bounded_usage, hint_of_setting

SAYS_NO = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.EIO, errno.ESTALE)
EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


class Root(TyperGroup):
    """Turns our errors into one sentence on stderr and an exit code, wherever they come from."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, whose help shows arguments as their names alone, without Python's types."""
        command = super().get_command(ctx, cmd_name)
        for each in (command, *getattr(command, "commands", {}).values()):
            for parameter in getattr(each, "params", ()):
                if parameter.param_type_name == "argument":
                    parameter.display_type = _nothing
        return command

    def make_context(self, *given: Any, **more: Any) -> Any:
        """Read the command line up to the command's name."""
        try:
            return super().make_context(*given, **more)
        except Exception as error:
            bounded_usage(error)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; DenoiseError and Ctrl-C end it without a traceback unless -v was given."""
        from .console import Console

        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            Console.current.interrupted()
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:  # `| head` has seen enough
            streams.forget()
            raise typer.Exit(EXIT_FAILED) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if _is_usage(error):
                hint_of_setting(error)
                bounded_usage(error)
                Console.emit_usage(error)
                raise
            if (foreseen := _in_words(error)) is None:
                Console.current.crash(error)
            else:
                Console.current.fail(foreseen)
            raise typer.Exit(foreseen.exit_code if foreseen else EXIT_FAILED) from error


def told(code: Any) -> Any:
    """Return the exit code of a command that ended with `code`: a failure where stdout did not take all it printed."""
    try:
        error = streams.lost()
    except BrokenPipeError:
        streams.forget()
        return code or EXIT_FAILED
    if error is None:
        return code
    from .console import Console

    what = (error.strerror or str(error)).lower()
    Console.current.say(f"denoisecli: stdout cannot be written: {what}. Not all could be printed.")
    Console.current.say_made()
    return code or EXIT_FAILED


def _in_words(error: Exception) -> DenoiseError | None:
    """Return an error as the one that is told; None for what nobody foresaw."""
    if is_of_memory(error):  # whatever somebody took it for on the way: a damaged file, a model that does not fit
        return not_enough_memory("Try a smaller size or batch.")
    if isinstance(error, DenoiseError):
        return error
    if isinstance(error, OSError) and error.filename is not None and error.errno in SAYS_NO:
        return DenoiseError(f"{shortened(str(error.filename))} {why(error)}.")  # the answer to somebody's name
    return None


def _nothing(*_: Any, **__: Any) -> str:
    return ""


def _is_usage(error: Exception) -> bool:
    return hasattr(error, "exit_code") and hasattr(error, "format_message")


app = typer.Typer(
    name="denoisecli",
    cls=Root,
    help="Run a diffusion model with every intermediate state kept, and see how the picture came out of noise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # typer's rich help triples the time that --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"denoisecli {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold what all commands share."""
