"""The `zoo` command."""

import argparse
import math
import os
import pathlib
import sys
import textwrap
import warnings

import zoo
from zoo._quiet import quiet_tensorflow

_DESCRIPTION = """\
Translate and write with recurrent networks.

commands:
  list        list the models that are here
  translate   translate sentences, or standard input line by line
  write       go on from the beginning of a text
  describe    show the card of a model: data, results, licence, limits
"""
_EPILOG = """\
examples:
  zoo list
  zoo translate zh_en "我爱中国"
  zoo translate zh_en "我爱中国" --plot picture.png
  zoo write shakespeare "ROMEO:"
  zoo translate --help

Models are found by path, in the folders of the environment variable ZOO_HOME
and in saved_models/ of the checkout.

exit status: 0 success, 1 failure, 2 wrong usage, 130 interrupted
"""
_TRANSLATE_DESCRIPTION = """\
Translate sentences. Without a sentence, translate standard input: a line in,
a line out, at once; an empty line stays empty. Bytes that are not UTF-8 count
as unknown characters.
"""
_TRANSLATE_EPILOG = """\
examples:
  zoo translate zh_en "我爱中国" "他在等你"
  zoo translate zh_en --nbest 3 "他在等你"
  zoo translate zh_en --beam 1 < chinese.txt > english.txt
  zoo translate runs/tiny/model "我爱中国" --plot picture.png
"""
_WRITE_DESCRIPTION = """\
Write with a language model, from the beginning of a text or from nothing. The
same seed writes the same.
"""
_WRITE_EPILOG = """\
examples:
  zoo write shakespeare "ROMEO:"
  zoo write shakespeare --temperature 0.5 --seed 3 "To be" "KING:"
  zoo write runs/shakespeare/model
"""
# Lines that are waiting together are translated together.
_BATCH_SIZE = 16


def main(argv=None):
    """Runs the `zoo` command.

    Args:
        argv: list of strings, the arguments; `None` takes those of the
            process.

    Returns:
        The exit status: 0 for success, 1 for a failure that was reported on
        standard error, 130 when interrupted, 141 when the reader of standard
        output went away. Wrong usage raises `SystemExit(2)`, as argparse
        does.

    Example:

    >>> main(["translate", "no_such_model", "你好"])
    1
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv and argv[0] in _COMMANDS:
        parse, run = _COMMANDS[argv[0]]
        # Intermixed: sentences may stand before and after options.
        arguments = parse().parse_intermixed_args(argv[1:])
    else:
        parser = argparse.ArgumentParser(
            prog="zoo",
            usage="zoo [-h] [--version] COMMAND ...",
            description=_DESCRIPTION,
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument(
            "--version", action="version", version=f"zoo {zoo.__version__}"
        )
        parser.add_argument(
            "command", choices=list(_COMMANDS), help=argparse.SUPPRESS
        )
        parser.parse_args(argv)  # exits: no command here is valid
    try:
        status = run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes standard output at exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, ValueError) as error:
        _say(error)
        return 1


def _list_parser():
    return argparse.ArgumentParser(
        prog="zoo list",
        description="List the models in ZOO_HOME and in the checkout.",
    )


def _list(arguments):
    models = zoo.saving.list_models()
    if not models:
        folders = map(str, zoo.saving.catalog.model_folders())
        _say(f"no models in {', '.join(folders)}; see zoo --help")
    width = max((len(model.name) for model in models), default=0)
    for model in models:
        summary = "(no model card)"
        if model.card is not None:
            facts, _ = zoo.saving.read_model_card(model.card)
            summary = facts.get("summary", "(no summary on its card)")
        print(f"{model.name:{width}}  {summary}")
    return 0


def _describe_parser():
    parser = argparse.ArgumentParser(
        prog="zoo describe", description="Show the card of a model."
    )
    parser.add_argument("model", help="name or folder of a model")
    return parser


def _describe(arguments):
    model = zoo.saving.find_model(arguments.model)
    if model.card is None:
        raise FileNotFoundError(
            f"Expected a card at {model.path / zoo.saving.catalog.CARD_FILE}, "
            "found none. Write one with zoo.saving.write_model_card."
        )
    print(zoo.saving.read_model_card(model.card)[1], end="")
    return 0


def _parser(command, texts, description, epilog):
    """A parser of `zoo COMMAND MODEL [TEXTS ...]`, but for the texts."""
    parser = argparse.ArgumentParser(
        prog=f"zoo {command}",
        usage=f"zoo {command} MODEL [{texts} ...] [options]",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="name or folder of a model")
    return parser


def _translate_parser():
    parser = _parser(
        "translate", "SENTENCE", _TRANSLATE_DESCRIPTION, _TRANSLATE_EPILOG
    )
    parser.add_argument(
        "sentences", nargs="*", metavar="SENTENCE", help="what to translate"
    )
    parser.add_argument(
        "--beam",
        type=_positive,
        default=5,
        metavar="WIDTH",
        help="hypotheses that are kept at each step (default: 5; 1: greedy)",
    )
    parser.add_argument(
        "--nbest",
        type=_positive,
        metavar="N",
        help="print the N best: rank, score and text, between tabs, and an "
        "empty line between sentences",
    )
    parser.add_argument(
        "--length-penalty",
        type=float,
        metavar="ALPHA",
        help="0 favours short translations (default: the model's own)",
    )
    parser.add_argument(
        "--plot",
        type=pathlib.Path,
        metavar="FILE",
        help="draw what each word looked at (.png, .pdf, .svg); for several "
        "sentences FILE-1, FILE-2, ...",
    )
    return parser


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"expected a positive integer, got {text!r}"
        )
    return int(text)


def _translate(arguments):
    if arguments.nbest is not None and arguments.nbest > arguments.beam:
        _translate_parser().error(
            f"argument --nbest: expected at most the beam width, got "
            f"{arguments.nbest} of {arguments.beam}: add --beam "
            f"{arguments.nbest}"
        )
    # What can fail fails before TensorFlow loads.
    zoo.saving.find_model(arguments.model)
    if arguments.plot is not None:
        zoo.plots.check_format(arguments.plot)
    model = _load(arguments.model, "translate", "a translator")
    if arguments.sentences:
        batches = _split(_decoded(arguments.sentences))
        numbered = len(arguments.sentences) > 1
    else:
        if sys.stdin.isatty():
            _say("type a sentence and press Enter; Ctrl-D ends")
        batches = _waiting_lines(sys.stdin.buffer)
        numbered = True
    number = 0
    for batch in batches:
        for sentence, result in zip(
            batch, _results(model, batch, arguments), strict=True
        ):
            number += 1
            if arguments.nbest is None:
                print(result[0].text)
            else:
                if number > 1:
                    print()
                for rank, one in enumerate(result, start=1):
                    print(f"{rank}\t{one.score:.4f}\t{one.text}")
            sys.stdout.flush()
            if arguments.plot is not None:
                path = arguments.plot
                if numbered:
                    path = path.with_stem(f"{path.stem}-{number}")
                _plot(path, sentence, result[0])
    return 0


def _results(model, batch, arguments):
    """For each sentence of a batch a list of `Translation`s."""
    results = model.translate(
        batch,
        beam_width=arguments.beam,
        length_penalty=arguments.length_penalty,
        num_results=arguments.nbest or 1,
        return_alignments=True,
    )
    several = (arguments.nbest or 1) > 1
    return results if several else [[result] for result in results]


def _plot(path, sentence, result):
    if not sentence.strip():
        _say(f"an empty sentence has no picture: {path} is not written")
        return
    if result.alignments is None:
        raise ValueError(
            "Expected a model with attention to draw what it looked at, got "
            "one without, or options that only its preset could serve. Leave "
            "--plot away, or --nbest and --beam."
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        zoo.plots.alignments(
            result.alignments,
            result.source_tokens,
            result.target_tokens,
            path,
            title=result.text,
        )
    for warning in caught:
        if warning.category is UserWarning:
            _say(warning.message)
    _say(f"wrote {path}")


def _write_parser():
    parser = _parser("write", "PROMPT", _WRITE_DESCRIPTION, _WRITE_EPILOG)
    parser.add_argument(
        "prompts", nargs="*", metavar="PROMPT", help="how the text begins"
    )
    parser.add_argument(
        "--max-tokens",
        type=_positive,
        default=300,
        metavar="N",
        help="the most to write after a prompt, up to 1000 (default: 300)",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.7,
        metavar="T",
        help="below 1 more probable, above 1 stranger; 0: always the most "
        "probable token (default: 0.7)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="another seed, another text (default: 1)",
    )
    return parser


def _write(arguments):
    if not 0 <= arguments.temperature < math.inf:
        _write_parser().error(
            "argument --temperature: expected a number from 0, got "
            f"{arguments.temperature}"
        )
    zoo.saving.find_model(arguments.model)
    model = _load(arguments.model, "sample_tensor", "a language model")
    texts = model.sample_tensor(
        _decoded(arguments.prompts) or [""],
        arguments.max_tokens,
        arguments.temperature,
        arguments.seed,
    )
    print("\n\n".join(text.decode() for text in texts.numpy()))
    return 0


def _decoded(texts):
    """What a shell passed on: bytes that aren't UTF-8 come as surrogates."""
    return [os.fsencode(x).decode("utf-8", errors="replace") for x in texts]


def _load(name, method, kind):
    """Loads a model; whatever is wrong with its files is one error."""
    try:
        with quiet_tensorflow():
            model = zoo.load(name)
    except Exception as error:
        reason = textwrap.shorten(str(error), 500, placeholder=" ...")
        raise OSError(
            f"could not load {name!r}: {type(error).__name__}: {reason}"
        ) from error
    if not hasattr(model, method):
        raise ValueError(
            f"Expected {kind}, got {name!r}, which is a "
            f"{type(model).__name__}. `zoo translate` is for translators, `zoo "
            "write` for language models."
        )
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    return model


def _split(sentences):
    for start in range(0, len(sentences), _BATCH_SIZE):
        yield sentences[start : start + _BATCH_SIZE]


def _waiting_lines(stream):
    """Yields lists of the lines that can be read without waiting."""
    rest = b""
    while True:
        chunk = stream.read1(1 << 16)  # waits for the first byte only
        *lines, rest = (rest + chunk).split(b"\n")
        if not chunk and rest:
            lines.append(rest)
        yield from _split(
            [
                line.removesuffix(b"\r").decode("utf-8", errors="replace")
                for line in lines
            ]
        )
        if not chunk:
            return


def _say(message):
    print(f"zoo: {message}", file=sys.stderr, flush=True)


_COMMANDS = {
    "list": (_list_parser, _list),
    "translate": (_translate_parser, _translate),
    "write": (_write_parser, _write),
    "describe": (_describe_parser, _describe),
}
