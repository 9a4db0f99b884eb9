"""Command lines made from a recipe's `Config`."""

import argparse
import dataclasses
import difflib
import sys

from zoo.data import DataError


def parse(config_class, presets, description, argv=None):
    """Reads a recipe's configuration from the command line.

    `--preset NAME` chooses a configuration, and every field of the dataclass
    is a flag that changes it. The comment of a field in its metadata
    (`field(default, "help")`) is the flag's help.

    Args:
        config_class: A dataclass.
        presets: Dictionary from names to configurations; the first is the
            default.
        description: What the recipe does.
        argv: The arguments; by default those of the program.

    Returns:
        An object of `config_class`.
    """
    parser = _Parser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    first = next(iter(presets))
    parser.add_argument(
        "--preset",
        choices=list(presets),
        default=first,
        help=f"the configuration to start from (default: {first})",
    )
    for item in dataclasses.fields(config_class):
        arguments = {
            "default": argparse.SUPPRESS,
            "help": item.metadata["help"],
        }
        if item.type is bool:
            arguments["action"] = argparse.BooleanOptionalAction
        elif isinstance(item.default, tuple):
            kind = type(item.default[0]) if item.default else str
            arguments.update(type=kind, nargs="+", metavar=kind.__name__)
        else:
            arguments.update(type=item.type, metavar=item.type.__name__)
        parser.add_argument(f"--{item.name}", **arguments)
    changes = vars(parser.parse_args(argv))
    config = presets[changes.pop("preset")]
    changes = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in changes.items()
    }
    return dataclasses.replace(config, **changes)


def run(main, config_class, presets, description, argv=None):
    """Runs a recipe's `main` as the command line says.

    What is wrong with the user's files is said in one line, without a
    traceback; the exit status is then 1.

    Args:
        main: Function of a configuration.
        config_class: As for `parse`.
        presets: As for `parse`.
        description: As for `parse`.
        argv: As for `parse`.
    """
    config = parse(config_class, presets, description, argv)
    try:
        main(config)
    except (DataError, OSError) as error:
        sys.exit(f"error: {error}")


def field(default, help):
    """A field of a recipe's `Config`, with the help of its flag."""
    return dataclasses.field(default=default, metadata={"help": help})


class _Parser(argparse.ArgumentParser):
    """Says which flag an unknown one may have meant."""

    def parse_args(self, args=None, namespace=None):
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            near = difflib.get_close_matches(
                unknown[0].split("=")[0], self._option_string_actions, n=1
            )
            hint = f" Did you mean {near[0]}?" if near else ""
            self.error(f"unknown argument {unknown[0]}.{hint}")
        return found

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {message}\n")
