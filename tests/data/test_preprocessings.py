"""Preprocessings: what becomes of samples, the way back, what a person calls a feature, JSON and back, and one clear error for each bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.core.errors import DataNotFoundError, DtypeError, EmptyError, FormatError, InputError, NonFiniteError, SettingError, ShapeError
from pellucid.core.preprocessing import Preprocessing
from pellucid.data import PREPROCESSINGS
from pellucid.data.preprocessing import of_json, to_json

Array = np.ndarray
ROWS = {"age": np.array([20.0, 40.0, 30.0, 50.0]), "home": np.array(["own", "rent", "own", "free"]), "children": np.array([0, 1, 2, 3])}
SENTENCES = ["A really good film!", "not good at all", "so-so, isn't it"]
TABLE = pellucid.Table.fit(ROWS, units={"age": "years"})
CODES = pellucid.Table.fit(ROWS, encoding="codes")
TEXT = pellucid.Text.fit(SENTENCES, length=6)
IMAGE = pellucid.Image((4, 5), 3, mean=(0.4, 0.5, 0.6), deviation=(0.2, 0.3, 0.4), first=True)
SERIES = pellucid.Series.fit(np.random.default_rng(0).normal(3, 2, (6, 8, 2)), names=("left", "right"), unit="mV", rate=360.0)
AUDIO = pellucid.Audio(400, rate=1000, picture="mel", frame=64, hop=32, bands=8, mean=(-40.0,), deviation=(10.0,), resample=True)
EVERY = (TABLE, CODES, TEXT, IMAGE, SERIES, AUDIO)


# ---- kept with the network ------------------------------------------------------------------------------------------


def test_every_kind_of_the_catalogue_is_tried_here() -> None:
    assert {one.kind for one in EVERY} == set(PREPROCESSINGS)


@pytest.mark.parametrize("one", EVERY, ids=lambda one: one.kind)
def test_as_json_and_back_it_is_the_same(one: Preprocessing, tmp_path: Path) -> None:
    assert of_json(json.loads(json.dumps(to_json(one)))) == one
    file = pellucid.save_preprocessing(one, tmp_path / "net.keras")
    assert file == tmp_path / "net.preprocessing.json"
    assert pellucid.load_preprocessing(tmp_path / "net.keras") == one
    assert pellucid.load_preprocessing(file) == one


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"kind": "pickle", "version": 1, "settings": {}},
        {"kind": "table", "version": 1},
        {"kind": "table", "version": 1, "settings": {}},
        {"kind": "table", "version": 1, "settings": {"columns": [{"nme": "age"}]}},
        {"kind": "image", "version": 1, "settings": {"size": 4}},
        {"kind": "series", "version": 2, "settings": {"length": 4}},
    ],
)
def test_what_is_no_preprocessing_is_one_error(said: Any, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps(said))
    with pytest.raises(FormatError, match=r"describes no preprocessing|cannot be read|has version 2"):
        pellucid.load_preprocessing(tmp_path / "x.json")


def test_a_file_that_is_missing_damaged_or_says_too_much(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"there is no file .*net\.preprocessing\.json"):
        pellucid.load_preprocessing(tmp_path / "net.keras")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(FormatError, match="cannot be read as JSON"):
        pellucid.load_preprocessing(tmp_path / "x.json")
    with pytest.raises(SettingError, match="has no setting 'colour'"):
        of_json({"kind": "image", "version": 1, "settings": {"size": [2, 2], "colour": 1}})


# ---- tables ---------------------------------------------------------------------------------------------------------


def test_a_table_standardises_numbers_and_spreads_categories() -> None:
    found = TABLE.inputs(ROWS)
    np.testing.assert_allclose(found[:, 0], (ROWS["age"] - 35) / np.std(ROWS["age"]), rtol=1e-6)
    assert found[:, 1:4].tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]], "columns free, own, rent"
    assert TABLE.features(ROWS).labels.tolist() == [[0, 1, 1, 1, 2]]
    assert TABLE.given(ROWS)[1] == {"names": ["age", "home", "children"], "data": ["40 years", "rent", "1"], "of": [0, 1, 1, 1, 2]}
    codes = CODES.inputs(ROWS)
    assert codes["numbers"].shape == (4, 2)
    assert codes["categories"].tolist() == [[1], [2], [1], [0]]
    assert CODES.features(ROWS).names == ("age", "children", "home"), "numbers before categories, as the inputs lie"


@pytest.mark.parametrize("table", [TABLE, CODES], ids=["onehot", "codes"])
def test_the_way_back_gives_the_rows(table: pellucid.Table) -> None:
    found = table.inputs(ROWS)
    back = table.restored(found if isinstance(found, np.ndarray) else np.concatenate([found["numbers"], found["categories"]], axis=1))
    np.testing.assert_allclose(back["age"], ROWS["age"], rtol=1e-5)
    assert back["home"].tolist() == ROWS["home"].tolist()
    np.testing.assert_allclose(back["children"], ROWS["children"], atol=1e-5)


def test_a_table_is_the_same_however_it_is_given() -> None:
    pandas = pytest.importorskip("pandas")
    listed = [{name: values[row].item() for name, values in ROWS.items()} for row in range(4)]
    structured = np.array([tuple(row.values()) for row in listed], dtype=[("age", "f8"), ("home", "U9"), ("children", "i8")])
    turned = {name: ROWS[name] for name in ("home", "children", "age")} | {"beside": np.zeros(4)}
    for given in (listed, structured, structured[:], pandas.DataFrame(ROWS), turned, pandas.DataFrame(turned)):
        np.testing.assert_array_equal(TABLE.inputs(given), TABLE.inputs(ROWS))
    np.testing.assert_array_equal(TABLE.inputs(structured[1]), TABLE.inputs(ROWS)[1:2])
    assert pellucid.Table.fit(listed, units={"age": "years"}) == TABLE
    assert pellucid.Table.fit(pandas.DataFrame(ROWS), units={"age": "years"}) == TABLE


def test_missing_numbers_are_an_error_or_the_mean() -> None:
    gap = ROWS | {"age": np.array([20.0, np.nan, 30.0, 50.0])}
    with pytest.raises(NonFiniteError, match=r"row 1 has no number in column 'age' \(missing in 1 of 4 rows\).*missing='mean'"):
        TABLE.inputs(gap)
    kind = pellucid.Table.fit(ROWS, missing="mean")
    assert kind.inputs(gap)[1, 0] == 0
    assert kind.given(gap)[1]["data"][0] == "missing"
    assert pellucid.Table.fit(gap).columns[0].mean == pytest.approx(100 / 3)


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ({"age": [20.0], "children": [0]}, InputError, "column 'home' is missing; the rows have age, children"),
        (ROWS | {"home": ["own", "castle", "own", "own"]}, InputError, "column 'home' is 'castle' in row 1, which the network was not trained on"),
        (ROWS | {"home": ["own", None, "own", "own"]}, InputError, "column 'home' is empty in row 1"),
        (ROWS | {"age": ["20", "old", "1", "2"]}, DtypeError, "column 'age' holds 'old' in row 1, expected a number"),
        (ROWS | {"age": [1.0, np.inf, 1.0, 2.0]}, NonFiniteError, "row 1 has infinity in column 'age'"),
        (ROWS | {"age": [1.0, 2.0]}, ShapeError, "different lengths"),
        ({}, EmptyError, "no rows"),
        ([], InputError, "expected 3 columns"),
        (np.zeros((4, 2)), InputError, "expected 3 columns, age, home, children"),
        ([{"age": 1.0, "home": "own", "children": 1}, {"age": 1.0}], InputError, "row 1 has no column 'home'"),
    ],
)
def test_a_table_refuses_bad_rows_in_words(rows: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        TABLE.inputs(rows)


# ---- text -----------------------------------------------------------------------------------------------------------


def test_words_are_numbered_by_how_often_they_come() -> None:
    assert TEXT.vocabulary[:3] == ("", "[UNK]", "good")
    ids = TEXT.inputs(["Really GOOD, unheard of"])
    assert [TEXT.vocabulary[i] for i in ids[0]] == ["really", "good", ",", "[UNK]", "[UNK]", ""]
    assert TEXT.features(["Really GOOD, unheard of", "good"]).labels.tolist() == [[0, 1, 2, 3, 4, -1], [0, -1, -1, -1, -1, -1]]
    assert TEXT.given(["Really GOOD, unheard of"])[0] == {
        "text": "Really GOOD, unheard of",
        "names": ["Really", "GOOD", ",", "unheard", "of"],
        "of": [0, 1, 2, 3, 4, -1],
    }
    assert TEXT.restored(ids).tolist() == ["really good , [UNK] [UNK]"]


def test_as_keras_does_it() -> None:
    keras = pytest.importorskip("keras")
    layer = keras.layers.TextVectorization(output_sequence_length=6)
    layer.adapt(SENTENCES)
    text = pellucid.Text.of_keras(layer)
    asked = [*SENTENCES, "Good!! film -- really ( good ) and more words than six", "so-so's"]
    np.testing.assert_array_equal(text.inputs(asked), np.asarray(layer(asked)))
    assert text.given(asked)[3]["names"] == ["Good!!", "film", "really", "good", "and", "more"], "words as they stand in the text"
    with pytest.raises(SettingError, match="standardize=None"):
        pellucid.Text.of_keras(keras.layers.TextVectorization(standardize=None, output_sequence_length=6))


def test_pieces_of_one_word_are_one_feature() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, "un": 5, "##believ": 6, "##able": 7, "film": 8, "!": 9}
    own = tokenizers.Tokenizer(tokenizers.models.WordPiece(words, unk_token="[UNK]"))  # noqa: S106
    own.normalizer = tokenizers.normalizers.BertNormalizer()
    own.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    own.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    text = pellucid.Text.of_tokenizer(own, length=8, names=("input_ids", "attention_mask"), absent_as="mask")
    found = text.inputs(["Unbelievable film!"])
    assert found["input_ids"].tolist() == [[2, 5, 6, 7, 8, 9, 3, 0]]
    assert found["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 1, 1, 0]]
    assert text.features(["Unbelievable film!"]).labels.tolist() == [[-1, 0, 0, 0, 1, 2, -1, -1, *[-1] * 8]]
    assert text.given(["Unbelievable film!"])[0]["names"] == ["Unbelievable", "film", "!"]
    assert text.absent == {"input_ids": 4.0}
    assert of_json(to_json(text)) == text
    assert of_json(to_json(text)).inputs(["film"])["input_ids"].tolist() == [[2, 8, 3, 0, 0, 0, 0, 0]]


def test_a_tokenizer_without_padding_never_fills_up_with_a_word() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    own = tokenizers.Tokenizer(tokenizers.models.WordLevel({"good": 0, "bad": 1, "[UNK]": 2}, unk_token="[UNK]"))  # noqa: S106
    own.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    text = pellucid.Text.of_tokenizer(own, length=2, absent_as="unknown")
    assert text.inputs(["bad good"]).tolist() == [[1, 0]]
    assert text.absent == 2
    with pytest.raises(SettingError, match="no token for padding: its number 0 is a word"):
        text.inputs(["bad"])
    masked = pellucid.Text.of_tokenizer(own, length=2, absent_as="padding", names=("ids", "mask"))
    assert masked.inputs(["bad"])["mask"].tolist() == [[1, 0]]
    with pytest.raises(SettingError, match="no token for padding"):
        _ = masked.absent


def test_a_vocabulary_has_what_stands_for_an_absent_word_or_says_so() -> None:
    words = ("", "[UNK]", "a", "[MASK]")
    assert [pellucid.Text(words, 2, absent_as=role).absent for role in ("padding", "unknown", "mask")] == [0.0, 1.0, 3.0]
    with pytest.raises(SettingError, match=r"no token '\[MASK\]'"):
        _ = pellucid.Text(words[:3], 2, absent_as="mask").absent
    with pytest.raises(DataNotFoundError, match="cannot be read"):
        pellucid.Text.of_tokenizer("nowhere.json", length=4)


@pytest.mark.parametrize(
    ("texts", "error", "says"),
    [
        ([], EmptyError, "there is no text"),
        (["good", "  "], EmptyError, "text 1 .* holds no word"),
        (["good", 3], DtypeError, "sample 1 is int"),
        (["one two three four five six seven"], InputError, "text 0 has 7 tokens, and the network takes 6 .*truncate=True"),
    ],
)
def test_a_text_refuses_bad_sentences_in_words(texts: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        TEXT.inputs(texts)


def test_a_long_text_is_cut_where_that_is_asked_for() -> None:
    cut = pellucid.Text(TEXT.vocabulary, 3, truncate=True)
    assert cut.inputs(["really good film at all"]).shape == (1, 3)
    assert cut.given(["really good film at all"])[0]["names"] == ["really", "good", "film"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tokenizer": "letters"}, "unknown tokenizer 'letters'"),
        ({"absent_as": "gone"}, "unknown absent_as"),
        ({"length": 0}, "length of at least 1"),
        ({"tokenizer": "pieces"}, "'pieces'"),
        ({"vocabulary": ("a", "b")}, "begins with"),
    ],
)
def test_settings_of_a_text_are_checked(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        pellucid.Text(**{"vocabulary": ("", "[UNK]", "a")} | settings)


# ---- images and series ----------------------------------------------------------------------------------------------


def test_images_are_standardised_laid_out_and_shown_again() -> None:
    shades = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    found = IMAGE.inputs(shades)
    assert found.shape == (2, 3, 4, 5)
    np.testing.assert_allclose(found[0, 1], (shades[0, ..., 1] / 255 - 0.5) / 0.3, atol=1e-5)
    np.testing.assert_allclose(IMAGE.restored(found), shades / 255, atol=1e-6)
    np.testing.assert_allclose(IMAGE.inputs(shades / 255), found, atol=1e-5)
    np.testing.assert_array_equal(IMAGE.inputs(shades[..., 0]), IMAGE.inputs(np.repeat(shades[..., :1], 3, axis=-1)))


def test_files_are_images_and_another_size_is_scaled_only_where_asked(tmp_path: Path) -> None:
    from PIL import Image

    wide = np.zeros((8, 10, 3), np.uint8)
    wide[:, 5:] = 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    with pytest.raises(ShapeError, match="image 0 is 8 × 10, the network takes 4 × 5; resize it, or ask for it with resize=True"):
        IMAGE.inputs([tmp_path / "wide.png"])
    scaled = pellucid.Image((4, 6), 3, resize=True).inputs([tmp_path / "wide.png"])
    assert scaled.shape == (1, 4, 6, 3)
    np.testing.assert_allclose(scaled[0, :, 0], 0, atol=0.01)
    np.testing.assert_allclose(scaled[0, :, -1], 200 / 255, atol=0.01)


@pytest.mark.parametrize(
    ("images", "error", "says"),
    [
        (np.full((1, 4, 5), 255.0), DtypeError, "values from 255.0 to 255.0, expected bytes"),
        (np.zeros((1, 4, 5, 4)), ShapeError, "has 4 channels, the network takes 3"),
        (np.zeros((4, 5)), ShapeError, "expected \\(samples, height, width\\)"),
        ([], EmptyError, "no image"),
        (["notes.txt"], InputError, "is no image file"),
        (np.full((1, 4, 5), np.nan), DtypeError, "expected bytes"),
    ],
)
def test_an_image_refuses_bad_input_in_words(images: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        IMAGE.inputs(images)


def test_series_are_standardised_and_shown_again() -> None:
    raw = np.random.default_rng(1).normal(3, 2, (2, 8, 2))
    found = SERIES.inputs(raw)
    assert found.shape == (2, 8, 2)
    np.testing.assert_allclose(SERIES.restored(found), raw, atol=1e-5)
    fitted = pellucid.Series(8, mean=(3.0,), deviation=(2.0,), other_length="fit")
    assert fitted.inputs([np.full(5, 5.0), np.full(11, 5.0)])[..., 0].tolist() == [[1.0] * 5 + [0.0] * 3, [1.0] * 8]


@pytest.mark.parametrize(
    ("series", "error", "says"),
    [
        (np.zeros((1, 9, 2)), ShapeError, "series 0 has 9 steps, the network takes 8; .*other_length='fit'"),
        (np.zeros((1, 8)), ShapeError, "series 0 has 1 channels, the network takes 2 \\(left, right\\)"),
        ([np.zeros((8, 2)), np.full((8, 2), np.nan)], NonFiniteError, "series 1 has no number at step 0"),
        ([], EmptyError, "no series"),
    ],
)
def test_a_series_refuses_bad_input_in_words(series: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        SERIES.inputs(series)
