import io
import os
import signal
import subprocess
import sys
import warnings

import pytest
from matplotlib import font_manager

import zoo
from zoo import cli

SENTENCES = ["我爱中国", "他在等你。", "我"]


@pytest.fixture(scope="module")
def served(exported):
    return zoo.load(exported / "served")


@pytest.fixture
def one_load(served, monkeypatch):
    """The model `served`, loaded once for all tests."""
    monkeypatch.setattr(zoo, "load", lambda name: served)
    return served


@pytest.fixture
def stdin(monkeypatch):
    def put(data):
        stream = io.TextIOWrapper(io.BytesIO(data), encoding="ascii")
        monkeypatch.setattr(sys, "stdin", stream)

    return put


def test_list_shows_names_and_summaries(model_home, capsys):
    assert cli.main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "served  (no model card)",
        "tiny    Chinese to English, untrained.",
    ]


def test_list_of_nothing_says_where_it_looked(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        "zoo.saving.catalog.CHECKOUT_MODELS", tmp_path / "checkout"
    )
    assert cli.main(["list"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert f"no models in {tmp_path / 'home'}, {tmp_path}/checkout" in err


def test_describe_prints_the_card_without_its_top(model_home, capsys):
    assert cli.main(["describe", "tiny"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# tiny\n")
    assert "| test BLEU | 0.125 |" in out


def test_describe_without_a_card_fails(model_home, capsys):
    assert cli.main(["describe", "served"]) == 1
    assert "README.md, found none" in capsys.readouterr().err


@pytest.fixture(scope="module")
def written(writer, tmp_path_factory):
    """A folder with the preset of a language model."""
    folder = tmp_path_factory.mktemp("models") / "writer"
    writer.save_to_preset(str(folder / "preset"))
    return folder


def test_write_goes_on_from_prompts(written, capsys):
    argv = ["write", str(written), "to be", "we", "--temperature", "0"]
    assert cli.main(argv) == 0
    out, err = capsys.readouterr()
    assert out == "to be or not to be\n\nwe see a sea\n"
    assert err == ""


def test_write_without_a_prompt_begins_a_text(written, capsys):
    argv = ["write", str(written), "--max-tokens", "5"]
    texts = []
    for seed in ("1", "1", "2", "3"):
        assert cli.main([*argv, "--seed", seed]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and len({*texts}) > 1
    assert all(0 < len(x.strip()) <= 5 for x in texts)


def test_a_temperature_below_zero_is_wrong_usage(written, capsys):
    for temperature in ("-1", "nan", "inf"):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["write", str(written), "--temperature", temperature])
        assert "a number from 0, got" in capsys.readouterr().err


def test_a_model_that_cannot_do_it_is_one_line(written, model_home, capsys):
    assert cli.main(["translate", str(written), "to be"]) == 1
    assert "a translator, got" in capsys.readouterr().err
    assert cli.main(["write", "tiny", "to be"]) == 1
    out, err = capsys.readouterr()
    assert "a language model, got 'tiny', which is a Seq2Seq." in err
    assert out == "" and err.count("\n") == 1


def test_translate_prints_a_line_for_each_sentence(
    model_home, translator, capsys
):
    assert cli.main(["translate", "tiny", *SENTENCES, "", " "]) == 0
    out, err = capsys.readouterr()
    assert out.split("\n") == [*translator.translate(SENTENCES), "", "", ""]
    assert err == ""


def test_options_reach_the_search(model_home, translator, capsys):
    options = ["--beam", "3", "--nbest", "2", "--length-penalty", "0.2"]
    # Sentences may stand on either side of options.
    argv = ["translate", "tiny", SENTENCES[0], *options, SENTENCES[1]]
    assert cli.main(argv) == 0
    expected = translator.translate(
        SENTENCES[:2],
        beam_width=3,
        num_results=2,
        length_penalty=0.2,
        return_alignments=True,
    )
    blocks = [
        "".join(
            f"{rank}\t{result.score:.4f}\t{result.text}\n"
            for rank, result in enumerate(results, start=1)
        )
        for results in expected
    ]
    assert capsys.readouterr().out == "\n".join(blocks)


def test_standard_input_gives_a_line_for_a_line(
    model_home, one_load, stdin, capsys
):
    stdin("我爱中国\n\n \r\n他在等你。\r\n我".encode())
    assert cli.main(["translate", "served"]) == 0
    first, second, third = one_load.translate(SENTENCES)
    assert capsys.readouterr().out == f"{first}\n\n\n{second}\n{third}\n"


def test_standard_input_may_hold_any_bytes(model_home, one_load, stdin, capsys):
    stdin(b"\xff\xfe\n\x00\n\xe6\x88\n" + "中".encode() * 1000 + b"\n")
    assert cli.main(["translate", "served", "--beam", "1"]) == 0
    assert capsys.readouterr().out.count("\n") == 4


def test_empty_standard_input_gives_nothing(
    model_home, one_load, stdin, capsys
):
    stdin(b"")
    assert cli.main(["translate", "served"]) == 0
    assert capsys.readouterr() == ("", "")


def test_each_line_is_answered_before_the_next_is_read(
    model_home, one_load, monkeypatch, capsys
):
    lines = iter([b"\xe6\x88", b"\x91\n", b"\n", b""])
    answered = []

    class Slow:
        def read1(self, size):
            answered.append(capsys.readouterr().out.count("\n"))
            return next(lines)

    class Stdin:
        buffer = Slow()
        isatty = staticmethod(lambda: False)

    monkeypatch.setattr(sys, "stdin", Stdin())
    assert cli.main(["translate", "served", "--beam", "1"]) == 0
    assert answered == [0, 0, 1, 1]


def test_many_waiting_lines_are_translated_together(
    model_home, one_load, stdin, monkeypatch
):
    sizes = []
    translate = one_load.translate
    monkeypatch.setattr(
        one_load,
        "translate",
        lambda batch, **kw: sizes.append(len(batch)) or translate(batch, **kw),
    )
    stdin("我\n".encode() * 20)
    assert cli.main(["translate", "served", "--beam", "1"]) == 0
    assert sizes == [16, 4]


def test_plot_is_written_for_one_sentence_under_its_name(
    model_home, one_load, tmp_path, capsys
):
    path = tmp_path / "new" / "picture.png"
    argv = ["translate", "served", "我爱中国", "--plot", str(path)]
    assert cli.main(argv) == 0
    assert path.stat().st_size > 1000
    assert f"wrote {path}" in capsys.readouterr().err


def test_plots_of_several_sentences_are_numbered(
    model_home, one_load, stdin, tmp_path, capsys
):
    path = tmp_path / "picture.svg"
    argv = ["translate", "served", "我", "", "他", "--plot", str(path)]
    assert cli.main(argv) == 0
    assert "picture-2.svg is not written" in capsys.readouterr().err
    stdin("中\n".encode())
    assert cli.main(["translate", "served", "--plot", str(path)]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "picture-1.svg",
        "picture-3.svg",
    ]


def test_character_without_a_font_is_told_in_one_line(
    model_home, one_load, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    path = tmp_path / "picture.png"
    assert cli.main(["translate", "served", "龘", "--plot", str(path)]) == 0
    err = capsys.readouterr().err
    assert "zoo: No font on this machine has 龘" in err
    assert "UserWarning" not in err


@pytest.mark.parametrize(
    "argv, message",
    [
        (["translate", "absent", "我"], "Known models: served, tiny."),
        (["translate", "served", "我", "--beam", "4"], "5 or 1, got 4"),
        (
            ["translate", "served", "我", "--length-penalty", "1"],
            "length_penalty=None",
        ),
        (["translate", "tiny", "我", "--plot", "x.xyz"], "ending is one of"),
        (["describe", "absent"], "Looked for:"),
    ],
)
def test_failure_is_one_message_and_status_one(
    model_home, one_load, capsys, argv, message
):
    assert cli.main(argv) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("zoo: ") and message in err
    assert "Traceback" not in err


def test_broken_model_is_one_message(model_home, tmp_path, capsys):
    folder = tmp_path / "broken" / "1"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"not a SavedModel")
    assert cli.main(["translate", str(tmp_path / "broken"), "我"]) == 1
    err = capsys.readouterr().err
    assert "zoo: could not load" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "argv, message",
    [
        ([], "required: command"),
        (["translat"], "invalid choice: 'translat'"),
        (["translate"], "required: model"),
        (["translate", "tiny", "我", "--beam", "0"], "positive integer"),
        (["translate", "tiny", "我", "--beam", "x"], "positive integer"),
        (["translate", "tiny", "我", "--nbest", "6"], "add --beam 6"),
        (["translate", "tiny", "我", "--no-such"], "unrecognized arguments"),
        (["describe"], "required: model"),
        (["list", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_wrong_usage_is_status_two(model_home, capsys, argv, message):
    with pytest.raises(SystemExit) as exit:
        cli.main(argv)
    assert exit.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: zoo" in err and message in err


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--help"], "zoo translate zh_en"),
        (["translate", "--help"], "--nbest N"),
        (["list", "-h"], "ZOO_HOME"),
        (["describe", "-h"], "card of a model"),
        (["--version"], f"zoo {zoo.__version__}"),
    ],
)
def test_help_and_version_are_status_zero(capsys, argv, message):
    with pytest.raises(SystemExit) as exit:
        cli.main(argv)
    assert exit.value.code == 0
    assert message in capsys.readouterr().out


def test_interruption_is_status_130(model_home, monkeypatch, capsys):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(zoo.saving, "list_models", interrupt)
    assert cli.main(["list"]) == 128 + signal.SIGINT
    assert capsys.readouterr() == ("", "")


def test_warnings_of_the_caller_are_as_before(model_home, one_load):
    before = warnings.filters[:]
    cli.main(["translate", "served", "我"])
    assert warnings.filters == before


def test_command_in_a_process_of_its_own(model_home, translator):
    """No noise of TensorFlow's, every class known, any locale."""
    result = subprocess.run(
        [sys.executable, "-m", "zoo", "translate", "tiny", "--nbest", "1"],
        input="我爱中国\n".encode() + b"\xff\n",
        capture_output=True,
        env={
            "PATH": os.environ["PATH"],
            "ZOO_HOME": str(model_home),
            "LC_ALL": "C",
        },
        cwd=os.path.dirname(os.path.dirname(zoo.__file__)),
        check=False,
    )
    assert result.stderr == b""
    assert result.returncode == 0
    (best,) = translator.translate(["我爱中国"])
    rank, score, text = result.stdout.decode().splitlines()[0].split("\t")
    assert (rank, text) == ("1", best)
    assert float(score) < 0


def test_reader_that_goes_away_is_no_traceback(model_home):
    read, write = os.pipe()
    os.close(read)
    result = subprocess.run(
        [sys.executable, "-m", "zoo", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=os.path.dirname(os.path.dirname(zoo.__file__)),
        check=False,
    )
    os.close(write)
    assert result.stderr == b""
    assert result.returncode == 128 + signal.SIGPIPE
