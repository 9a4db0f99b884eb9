import h5py
import keras
import numpy as np
import pytest

from zoo.saving import half_precision_preset


@pytest.fixture
def preset(tmp_path):
    model = keras.Sequential(
        [keras.Input((30,)), keras.layers.Dense(500, name="wide")]
    )
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "config.json").write_text("{}")
    return tmp_path, model


def test_weights_come_back_as_float32_rounded_to_half_precision(preset):
    folder, model = preset
    before, after = half_precision_preset(folder)
    assert after < 0.65 * before
    assert after == (folder / "model.weights.h5").stat().st_size
    loaded = keras.models.clone_model(model)
    loaded.load_weights(folder / "model.weights.h5")
    for weight, original in zip(loaded.weights, model.weights, strict=True):
        assert weight.dtype == "float32"
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(weight),
            keras.ops.convert_to_numpy(original)
            .astype("float16")
            .astype("float32"),
        )


def test_structure_stays_and_a_second_call_changes_nothing(preset):
    folder, _ = preset
    path = folder / "model.weights.h5"

    def names():
        found = []
        with h5py.File(path) as file:
            file.visititems(
                lambda name, item: found.append((name, dict(item.attrs)))
            )
        return found

    original = names()
    half_precision_preset(folder)
    assert names() == original
    once = path.read_bytes()
    before, after = half_precision_preset(folder)
    assert before == after
    assert path.read_bytes() == once
    assert sorted(file.name for file in folder.iterdir()) == [
        "config.json",
        "model.weights.h5",
    ]


def test_integers_stay_what_they_are(tmp_path):
    path = tmp_path / "task.weights.h5"
    with h5py.File(path, "w") as file:
        file["seed"] = np.array([2**40, 3])
    half_precision_preset(tmp_path)
    with h5py.File(path) as file:
        assert file["seed"][()].tolist() == [2**40, 3]


def test_weight_beyond_half_precision_is_refused_and_the_file_stays(preset):
    folder, model = preset
    model.weights[1].assign(np.full(500, 1e6))
    model.save_weights(folder / "model.weights.h5")
    before = (folder / "model.weights.h5").read_bytes()
    with pytest.raises(ValueError, match="at most 65504.*got 1000000.0 in"):
        half_precision_preset(folder)
    assert (folder / "model.weights.h5").read_bytes() == before
    assert len(list(folder.iterdir())) == 2


def test_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="save_to_preset"):
        half_precision_preset(tmp_path)
