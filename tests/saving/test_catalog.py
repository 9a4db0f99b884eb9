import os

import pytest

from zoo.saving import catalog


def _saved_model(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


def _preset(folder):
    folder.mkdir(parents=True)
    for name in ("config.json", "task.json"):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    home, more = tmp_path / "home", tmp_path / "more"
    _saved_model(home / "zh_en" / "1")
    _saved_model(home / "zh_en" / "9")
    _saved_model(home / "zh_en" / "10")
    _preset(home / "zh_en" / "preset")
    (home / "zh_en" / "README.md").write_text("card")
    _preset(home / "only_preset" / "preset")
    (home / "empty").mkdir()
    (home / "file").write_text("")
    _saved_model(more / "de_en" / "1")
    _saved_model(more / "zh_en" / "1")
    monkeypatch.setenv("ZOO_HOME", f"{home}{os.pathsep}{more}{os.pathsep}")
    monkeypatch.setattr(catalog, "CHECKOUT_MODELS", tmp_path / "checkout")
    monkeypatch.chdir(tmp_path)
    return home


def test_models_of_all_folders_are_listed_once_by_name(home):
    models = catalog.list_models()
    assert [model.name for model in models] == [
        "de_en",
        "only_preset",
        "zh_en",
    ]
    assert models[2].path == home / "zh_en"


def test_model_has_its_newest_version_its_preset_and_its_card(home):
    model = catalog.find_model("zh_en")
    assert model.saved_model == home / "zh_en" / "10"
    assert model.preset == home / "zh_en" / "preset"
    assert model.card == home / "zh_en" / "README.md"
    model = catalog.find_model("only_preset")
    assert model.saved_model is None and model.card is None


def test_folder_of_the_checkout_is_searched_last(home, tmp_path):
    _saved_model(tmp_path / "checkout" / "fr_en" / "1")
    _saved_model(tmp_path / "checkout" / "zh_en" / "1")
    assert catalog.find_model("fr_en").path.parent.name == "checkout"
    assert catalog.find_model("zh_en").path == home / "zh_en"


@pytest.mark.parametrize("inside", ["", "1", "preset"])
def test_model_is_found_by_the_path_of_any_of_its_folders(home, inside):
    model = catalog.find_model(home / "zh_en" / inside)
    assert model.name == "zh_en"
    assert (model.saved_model is None) == (inside == "preset")
    assert (model.preset is None) == (inside == "1")
    assert model.card == home / "zh_en" / "README.md"


def test_relative_path_is_a_path(home):
    assert catalog.find_model("home/zh_en").name == "zh_en"


def test_folder_of_that_name_that_is_no_model_hides_none(home, tmp_path):
    (tmp_path / "zh_en").mkdir()
    assert catalog.find_model("zh_en").path == home / "zh_en"


def test_error_says_where_it_looked_and_what_is_there(home, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        catalog.find_model("zh_e")
    message = str(error.value)
    assert str(home / "zh_e") in message
    assert str(tmp_path / "checkout" / "zh_e") in message
    assert "Did you mean 'zh_en'?" in message
    assert "Known models: de_en, only_preset, zh_en." in message


def test_without_any_model_the_error_says_where_to_get_them(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("ZOO_HOME", raising=False)
    monkeypatch.setattr(catalog, "CHECKOUT_MODELS", tmp_path / "nowhere")
    assert catalog.list_models() == []
    with pytest.raises(FileNotFoundError, match="clone it.*set ZOO_HOME"):
        catalog.find_model("zh_en")


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a\0b", "../zh_en"])
def test_name_that_is_none_is_not_found(home, name):
    with pytest.raises(FileNotFoundError, match="Expected|no model"):
        catalog.find_model(name)
