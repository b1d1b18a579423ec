"""Codes made by the decoder's own writer, laid on a part, turned and spoilt."""

import cv2
import numpy as np
import pytest
import zxingcpp

from inspector.decision import judge
from inspector.errors import ConfigError
from inspector.recipe import Recipe
from inspector.types import Verdict
from inspector.vision.codes import CodeReader

SIZE = (240, 320)
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def picture(content="SN-000417", symbology="DataMatrix", turn=0.0, seed=1):
    kind = zxingcpp.barcode_format_from_str(symbology)
    code = np.array(
        zxingcpp.write_barcode_to_image(
            zxingcpp.create_barcode(content, kind), scale=2 if symbology == "Code128" else 4
        )
    )
    ground = np.full(SIZE, 200, np.uint8)
    y, x = (SIZE[0] - code.shape[0]) // 2, (SIZE[1] - code.shape[1]) // 2
    ground[y : y + code.shape[0], x : x + code.shape[1]] = np.where(code > 127, 200, 60)
    matrix = cv2.getRotationMatrix2D((SIZE[1] / 2, SIZE[0] / 2), turn, 1.0)
    turned = cv2.warpAffine(ground, matrix, SIZE[::-1], borderValue=200)
    noise = np.random.default_rng(seed).normal(0, 4, SIZE)
    return np.clip(turned + noise, 0, 255).astype(np.uint8), cv2.invertAffineTransform(matrix)


def recipe(**code):
    table = {"name": "dmc", "polygon": [(0.02, 0.05), (0.98, 0.05), (0.98, 0.95), (0.02, 0.95)], **code}
    return Recipe.model_validate({"id": "r", "model": "m", "code": [table]})


@pytest.mark.parametrize("symbology", ["DataMatrix", "QRCode", "Code128"])
@pytest.mark.parametrize("turn", [0.0, 12.0, 180.0])
def test_a_code_is_read_whichever_way_the_part_lies(symbology, turn) -> None:
    frame, transform = picture(symbology=symbology, turn=turn)
    ((_, read),) = CodeReader(recipe(symbology=[symbology]), SIZE).read(frame, transform)
    assert read.content == "SN-000417", read.text
    assert symbology.lower() in read.symbology.lower().replace(" ", "").replace("_", "")
    assert len(read.polygon_px) == 8
    x, y = np.reshape(read.polygon_px, (4, 2)).mean(axis=0)
    assert (x, y) == (pytest.approx(160, abs=6), pytest.approx(120, abs=6))


@pytest.mark.parametrize(
    ("rule", "verdict"), [("not_inspected", Verdict.NOT_INSPECTED), ("reject", Verdict.REJECT), ("allow", Verdict.PASS)]
)
def test_an_unreadable_code_is_what_the_recipe_says(rule, verdict) -> None:
    frame, transform = picture()
    frame[:] = cv2.GaussianBlur(frame, (0, 0), 9)
    codes = CodeReader(recipe(unreadable=rule), SIZE).read(frame, transform)
    assert codes[0][1].content == ""
    found, reasons = judge(0.1, 1.0, (), codes=codes)
    assert found is verdict
    assert [reason.code for reason in reasons] == ([] if rule == "allow" else ["code_unreadable"])


def test_a_code_with_the_wrong_content_is_rejected() -> None:
    codes = CodeReader(recipe(content=r"SN-\d{6}"), SIZE).read(*picture())
    assert judge(0.1, 1.0, (), codes=codes)[0] is Verdict.PASS
    codes = CodeReader(recipe(content=r"SN-9\d{5}"), SIZE).read(*picture())
    verdict, reasons = judge(0.1, 1.0, (), codes=codes)
    assert verdict is Verdict.REJECT
    assert "dmc says 'SN-000417', wanted SN-9" in reasons[0].text


def test_two_codes_in_one_region_are_a_doubt() -> None:
    small = np.array(
        zxingcpp.write_barcode_to_image(zxingcpp.create_barcode("A", zxingcpp.BarcodeFormat.DataMatrix), scale=5)
    )
    frame = np.full(SIZE, 255, np.uint8)
    frame[60 : 60 + small.shape[0], 30 : 30 + small.shape[1]] = small
    frame[60 : 60 + small.shape[0], 190 : 190 + small.shape[1]] = small
    ((_, read),) = CodeReader(recipe(), SIZE).read(frame, IDENTITY)
    assert read.content == ""
    assert "2 codes in its region, wanted one" in read.text


def test_an_unknown_symbology_is_refused() -> None:
    with pytest.raises(ConfigError, match="recipe 'r', code 'dmc': no symbology 'Runes'"):
        CodeReader(recipe(symbology=["Runes"]), SIZE)
