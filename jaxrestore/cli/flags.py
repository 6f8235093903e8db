"""The command line of solve, train and experiments: plain flags and dotted settings.

Both are dataclasses of settings (`jaxrestore.settings`). Values stay text until they
are bound, so that messages are those of config files and of Python.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jaxrestore import settings
from jaxrestore.configfiles import merged
from jaxrestore.errors import InputError

_HELP = ("help", "h", "helpfull", "helpshort", "?")
_FLAG = re.compile(r"--?[A-Za-z?]")
Values = Mapping[str, Any]
Token = tuple[str, str | None]  # name and value of an argument; None: it has no value


@dataclass(frozen=True)
class Parsed:
    """A checked command line.

    Attributes:
        flags: the plain flags.
        config: the settings.
        given: dotted name -> text of the flags and settings that the line gave.
    """

    flags: Any
    config: Any
    given: dict[str, str]


@dataclass(frozen=True)
class CommandLine:
    """Plain flags ``--workdir=DIR`` and settings ``--config.data.train=DIR``.

    ``--data.train=DIR`` is short for the latter where no plain flag has that name.
    Values follow "=" or are the next argument; booleans work as ``--tune``,
    ``--notune``, ``--no-tune`` and ``--no_tune``. The last of equal flags counts.

    Attributes:
        program: how the command is called.
        usage: what `--help` prints first.
        flags: dataclass of the plain flags; a field `config` is ``--config`` itself.
        schema: (values, nested, as text) -> dataclass of the settings, which may
            depend on the values: on the method that they name.
        load: (plain flags) -> the values that the command line's settings replace,
            those of a config file for instance.
        resets: setting -> sections that begin anew, without what `load` put there,
            where the command line changes what `load` put at the setting.
        required: plain flags that must be given.
        positional: the plain flag that an argument without a name was meant for.
    """

    program: str
    usage: str
    flags: type
    schema: Callable[[Values], type]
    load: Callable[[Any], Values] = lambda flags: {}
    resets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    required: Sequence[str] = ()
    positional: str = ""

    def parse(self, argv: Sequence[str]) -> Parsed | None:
        """Read a command line, program name first; None after printing the help.

        Raises:
            InputError: an argument is unknown, or its value cannot be used.
        """
        tokens = self._tokens(argv[1:])
        asked = [token for token in tokens if token[0] not in _HELP]
        plain = _defaults(self.flags)
        own = _texts([token for token in asked if _meant(token[0], plain)], plain)
        rest = [
            (re.sub(r"^(no-?)?config\.", r"\1", name), text)
            for name, text in asked
            if not _meant(name, plain)
        ]
        checks: dict[str, Any] = settings.checks(self.flags)
        flags = self.flags(**{k: checks[k](text, f"--{k}") for k, text in own.items()})
        if len(asked) < len(tokens):
            print(self._help(flags, rest, own))
            return None
        values, schema, given = self._merge(self.load(flags), rest, plain)
        for name in self.required:
            if not own.get(name):
                raise InputError(f"--{name} is missing; see {self.program} --help")
        return Parsed(flags, settings.bind(schema, values), own | given)

    def _tokens(self, arguments: Sequence[str]) -> list[Token]:
        tokens: list[Token] = []
        for argument in arguments:
            if _FLAG.match(argument):
                name, equals, value = argument.lstrip("-").partition("=")
                tokens.append((name, value if equals else None))
            elif tokens and tokens[-1][1] is None and tokens[-1][0] not in _HELP:
                tokens[-1] = (tokens[-1][0], argument)
            else:
                such = f", such as --{self.positional}={argument}"
                raise InputError(
                    f"{argument}: unexpected argument, expected flags only"
                    f"{such if self.positional else ''}; see {self.program} --help"
                )
        return tokens

    def _merge(self, values: Values, tokens: list[Token], plain: Values):
        """Values with those of the line, their schema, and the line's alone."""
        texts = {name: text for name, text in tokens if text is not None}
        for name, sections in self.resets.items():
            if name in texts:
                others = {key: text for key, text in texts.items() if key != name}
                implied = _defaults(self.schema(merged(values, others)))[name]
                if texts[name] != (_at(values, name) or implied):
                    values = {k: v for k, v in values.items() if k not in sections}
        schema = self.schema(merged(values, texts))
        known = _defaults(schema)
        for name, _ in tokens:
            if not _meant(name, known):
                raise InputError(self._unknown(name, known, plain))
        given = _texts(tokens, known)
        return merged(values, given), schema, given

    def _unknown(self, name: str, known: Values, plain: Values) -> str:
        section, dot, last = name.rpartition(".")
        own = [n.rpartition(".")[2] for n in known if n.rpartition(".")[0] == section]
        if dot and own:
            return f"--config.{name}: {settings.unknown(last, own)}"
        spelled = [f"--{n}" for n in plain] + [f"--config.{n}" for n in known]
        near = difflib.get_close_matches(f"--config.{name}", spelled, 1)
        near = difflib.get_close_matches(f"--{name}", spelled, 1) or near
        guess = f"did you mean {near[0]}? " if near else ""
        return f"--{name}: unknown flag; {guess}see {self.program} --help for all"

    def _help(self, flags: Any, tokens: list[Token], own: Values) -> str:
        """Usage, plain flags and settings, these with the values of the line's config.

        Raises:
            InputError: there is such a config, and it cannot be used.
        """
        try:
            values, schema, _ = self._merge(self.load(flags), tokens, {})
        except InputError:
            if own or tokens:
                raise
            values, schema = {}, self.schema({})
        lines = [self.usage.rstrip(), "", "Flags [default]:"]
        lines += [_line(f"--{n}", d, t) for n, d, t in settings.leaves(self.flags)]
        if any(settings.leaves(schema)):
            lines += ["", "Settings [value if not given]:"]
        for name, default, text in settings.leaves(schema):
            value = _at(values, name, default)
            lines.append(_line(f"--config.{name}", value, text))
        return "\n".join(lines)


def _defaults(kind: type) -> dict[str, Any]:
    return {name: default for name, default, _ in settings.leaves(kind)}


def _meant(name: str, known: Values) -> str:
    """The flag that is called `name`, or switched off by it; "" for none of these."""
    positive = re.sub("^no[-_]?", "", name)
    if name in known:
        return name
    return positive if isinstance(known.get(positive), bool) else ""


def _texts(tokens: list[Token], known: Values) -> dict[str, str]:
    """Values by the names of flags, which must be known."""
    result = {}
    for name, text in tokens:
        meant = _meant(name, known)
        if text is None and isinstance(known[meant], bool):
            text = "true" if meant == name else "false"
        elif text is None or meant != name:
            raise InputError(
                f"--{name}: has no value, expected --{name}=VALUE"
                if text is None
                else f"--{name}={text}: expected --{name} alone or --{meant}={text}"
            )
        result[meant] = text
    return result


def _at(values: Any, name: str, default: Any = None) -> Any:
    """The value at a dotted name, `default` where there is none."""
    for part in name.split("."):
        values = values.get(part) if hasattr(values, "keys") else None
    return default if values is None else values


def _line(name: str, value: Any, text: str) -> str:
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    value = "" if value in (None, "") or value is False else f" [{value}]"
    return f"  {name:<38} {text}{value}".rstrip()
