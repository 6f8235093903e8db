"""Files that are either complete or not there."""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from jaxrestore.errors import InputError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes its place at the end.

    Whatever goes wrong inside the block, `path` keeps its old content (or stays
    absent) and the temporary file is removed.

    Args:
        path: The file to write; its folder must exist.

    Raises:
        InputError: The system refuses to write (no permission, disk full).
    """
    path = Path(path)
    name = f".{path.name[:60]}-{uuid.uuid4().hex[:8]}{path.suffix}"
    temporary = path.with_name(name)
    try:
        temporary.touch()
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot write the file ({error.strerror or error}); expected a"
            " writable folder with free space, choose another output folder or free"
            " some"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def make_folder(path: str | os.PathLike, argument: str) -> Path:
    """Makes a folder with its parents and makes sure that files can be put there.

    Args:
        path: The folder.
        argument: What the user calls it, for the message.

    Raises:
        InputError: It cannot be made or written to.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"{argument}={path}: cannot write there ({error.strerror or error});"
            " expected a folder that can be made and written to, choose another"
        ) from error
    return path


@contextlib.contextmanager
def exclusive(
    folder: str | os.PathLike, argument: str, part: str = ""
) -> Iterator[None]:
    """Holds a folder, made where missing, against other processes that ask for it.

    With `part`, against those alone that ask for the folder or for the same part.

    The system lets go when the process ends, however it ends. Where files cannot be
    locked (Windows, some network file systems) nothing is held.

    Args:
        folder: The folder.
        argument: What the user calls it, for the message.
        part: Of the folder, "" for all of it.

    Raises:
        InputError: Another process holds it, or it cannot be written to.
    """
    folder = make_folder(folder, argument)
    with contextlib.ExitStack() as stack:
        for name in (".lock", f".lock-{part}")[: 1 + bool(part)]:
            # Over NFS a shared lock needs a file that can be read, too.
            file = stack.enter_context(open(folder / name, "a+"))
            try:
                import fcntl

                shared = part and name == ".lock"
                how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
                fcntl.flock(file, how | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(
                    f"{argument}={folder}: another process is writing there; wait for"
                    " it, or choose another folder"
                ) from error
            except (ImportError, OSError):
                pass
        yield
