"""How a command line ends, and where compiled programs are kept between runs."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from jaxrestore.errors import InputError

USER_ERROR = 2
INTERRUPTED = 130


def run_command(command: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Runs a command line; a user's mistake becomes one line and an exit code.

    Args:
        command: Takes the argument list (program name first), returns the exit code.
        argv: The argument list.

    Returns:
        The command's exit code; 2 after an `InputError`, 130 after Ctrl-C.
    """
    try:
        return command(argv)
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR
    except BrokenPipeError:  # whoever reads the help has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("stopped; the same command continues", file=sys.stderr)
        return INTERRUPTED


def keep_compiled_programs() -> None:
    """Turns on JAX's compilation cache in the user's cache folder.

    JAX_COMPILATION_CACHE_DIR, where set, names the folder; else it is
    `jaxrestore/xla` in XDG_CACHE_HOME or ~/.cache.
    """
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = str(Path(home) / "jaxrestore" / "xla")
        jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
