from __future__ import annotations

from pathlib import Path

import pytest

from inspector.config import load_station
from inspector.errors import ConfigError
from inspector.recipe import find_recipe, load_recipe


def station(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[camera]\nexposure_time = 3", "unknown key 'camera.exposure_time' (did you mean 'exposure_time_us'?)"),
        ("[simulation.faults]\nbyte_flp = 0.1", "unknown key 'simulation.faults.byte_flp' (did you mean 'byte_flip'?)"),
        ("[nonsense]\nx = 1", "unknown key 'nonsense'"),
        ("folder = '/'", "unknown key 'folder'"),
        ("[camera]\nwidth = '1280'", "key 'camera.width' is '1280'"),
        ("[camera]\nwidth = 0", "key 'camera.width' is 0"),
        ("[camera]\nkind = 'telescope'", "key 'camera.kind' is 'telescope'"),
        ("[web]\nport = 70000", "key 'web.port' is 70000"),
        ("[simulation.faults]\nbyte_flip = 1.5", "key 'simulation.faults.byte_flip' is 1.5"),
        ("[camera", "is not valid TOML"),
    ],
)
def test_a_bad_station_file_is_named_with_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    path = station(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load_station(path)
    assert str(path) in str(raised.value)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_station_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_station(tmp_path / "nowhere.toml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_station(path)


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    config = load_station(station(tmp_path, ""))
    assert config.path("data/x") == (tmp_path / "data/x").resolve()


def test_a_config_cannot_be_changed(tmp_path: Path) -> None:
    config = load_station(station(tmp_path, ""))
    with pytest.raises(ValueError, match="frozen"):
        config.station.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model = 'm'", "key 'id' is missing"),
        ("id = 'a b'\nmodel = 'm'", "key 'id' is 'a b'"),
        ("id = 'a'\nmodel = 'm'\nthreshhold = 2.0", "unknown key 'threshhold' (did you mean 'threshold'?)"),
        ("id = 'a'\nmodel = 'm'\nthreshold = 0.0", "key 'threshold' is 0.0"),
        ("id = 'a'\nmodel = 'm'\n[[zone]]\nname = 'z'\npolygon = [[0.0, 0.0]]\nthreshold = 1.0", "zone.0.polygon"),
        ("id = 'a'\nmodel = 'm'\n[health]\nblown = 1", "unknown key 'health.blown'"),
    ],
)
def test_a_bad_recipe_is_named_with_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_recipe(path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)


def test_the_revision_follows_the_file_and_its_mask(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("id = 'a'\nmodel = 'm'\nignore = 'mask.png'\n")
    bare = load_recipe(path).revision
    (tmp_path / "mask.png").write_bytes(b"one")
    first = load_recipe(path).revision
    (tmp_path / "mask.png").write_bytes(b"two")
    assert len({bare, first, load_recipe(path).revision}) == 3


def test_a_recipe_is_found_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text("id = 'one'\nmodel = 'm'\n")
    (tmp_path / "station.toml").write_text("[station]\n")
    assert find_recipe(tmp_path, "one").id == "one"
    with pytest.raises(ConfigError, match="has no recipe 'two'"):
        find_recipe(tmp_path, "two")
