"""Versions of recipes: nothing is lost, two people are told of each other, and what is in force changes whole."""

import json
import threading

import pytest

from inspector.clock import SimulatedClock
from inspector.errors import ConfigError
from inspector.inference.outputs import make_regions
from inspector.recipe import load_recipe
from inspector.recipe_book import BY_HAND, RecipeBook, RecipeChanged
from inspector.recipe_changes import conflicts, differences, merged

TEXT = """# Written by hand.
id = "bracket"
model = "m"
[[zone]]
name = "rim"
polygon = [[0, 0], [1, 0], [0, 1]]
threshold = 2
"""
SQUARE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]


@pytest.fixture
def book(tmp_path):
    (tmp_path / "part.toml").write_text(TEXT)
    (tmp_path / "station.toml").write_text("[station]\n")
    (tmp_path / "junk.toml").write_text("not toml")
    return RecipeBook(tmp_path, SimulatedClock())


def test_the_file_found_is_version_one_and_keeps_its_comments(book):
    (version,) = book.versions("bracket")
    assert (version.number, version.by, version.why) == (1, BY_HAND, "as it was found")
    assert book.content("bracket", 1).decode() == TEXT
    assert version.revision == load_recipe(book.path("bracket")).revision
    assert book.in_force("bracket") == 1
    assert list(book.files()) == ["bracket"]


def test_a_saved_version_is_not_in_force_until_it_is_put_there_and_the_old_one_comes_back(book):
    tables = book.tables("bracket", 1) | {"threshold": 1.5, "ignore_region": [{"name": "dirt", "polygon": SQUARE}]}
    version = book.save("bracket", tables, 1, "ann", "the belt is brighter")
    assert (version.number, version.based_on) == (2, 1)
    assert book.path("bracket").read_text() == TEXT
    assert book.put_in_force("bracket", 2, "ann") == 1
    recipe = load_recipe(book.path("bracket"))
    assert (recipe.threshold, recipe.revision) == (1.5, version.revision)
    assert recipe.ignore_region[0].polygon[1] == (0.5, 0.1)
    assert book.put_in_force("bracket", 1, "bob") == 2
    assert book.path("bracket").read_text() == TEXT
    assert [(one["number"], one["by"]) for one in book.activations("bracket")] == [(1, "bob"), (2, "ann")]
    assert len(book.versions("bracket")) == 2


def test_what_somebody_writes_by_hand_becomes_a_version_before_it_is_replaced(book):
    book.versions("bracket")
    book.path("bracket").write_text(TEXT.replace("threshold = 2", "threshold = 3"))
    with pytest.raises(RecipeChanged, match=r"\(file\) saved version 2"):
        book.save("bracket", book.tables("bracket", 1) | {"threshold": 1.1}, 1, "ann", "")
    book.path("bracket").write_text(TEXT.replace("threshold = 2", "threshold = 4"))
    book.put_in_force("bracket", 1, "ann")
    texts = [book.content("bracket", version.number).decode() for version in book.versions("bracket")]
    assert [text.partition("threshold = ")[2].strip() for text in texts] == ["4", "3", "2"]


def test_the_second_of_two_is_refused_by_name_and_of_twenty_at_once_one_wins(book):
    tables = book.tables("bracket", book.versions("bracket")[0].number)
    told = []

    def save(number):
        try:
            told.append(book.save("bracket", tables | {"threshold": 1 + number / 100}, 1, f"p{number}", "").by)
        except RecipeChanged as why:
            told.append(str(why))

    threads = [threading.Thread(target=save, args=(number,)) for number in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [text for text in told if " " not in text]
    assert len(winners) == 1
    assert sum(f"{winners[0]} saved version 2" in text for text in told) == 19


def test_what_the_line_could_not_load_is_never_saved_or_put_in_force(book):
    tables = book.tables("bracket", book.versions("bracket")[0].number)
    for bad, said in [
        ({"threshold": -1.0}, "key 'threshold' is -1.0"),
        ({"threshhold": 1.0}, "did you mean 'threshold'"),
        ({"zone": [{"name": "x", "polygon": [[0, 0]], "threshold": 1.0}]}, "zone.0.polygon"),
        ({"id": "other"}, "a recipe keeps its id"),
    ]:
        with pytest.raises(ConfigError, match=said):
            book.save("bracket", tables | bad, 1, "ann", "")
    with pytest.raises(ConfigError, match="has no version 7"):
        book.put_in_force("bracket", 7, "ann")
    with pytest.raises(ConfigError, match="has no recipe"):
        book.versions("../../etc")
    assert len(book.versions("bracket")) == 1


def test_a_new_recipe_has_a_history_and_an_id_of_dots_leaves_the_folder_alone(book, tmp_path):
    tables = book.tables("bracket", book.versions("bracket")[0].number)
    book.create("hub", tables, "ann", "a new part")
    assert [version.by for version in book.versions("hub")] == ["ann"]
    with pytest.raises(ConfigError, match="already"):
        book.create("part", tables, "ann", "")
    book.create("..", tables, "ann", "")
    book.versions("..")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "...history",
        "bracket.history",
        "hub.history",
    ]
    assert not (tmp_path.parent / "0001.toml").exists()


def test_a_version_whose_facts_were_never_written_is_none(book):
    book.versions("bracket")
    history = book.folder / "bracket.history"
    (history / "0002.toml").write_text("half")
    version = book.save("bracket", book.tables("bracket", 1) | {"threshold": 1.2}, 1, "ann", "")
    assert version.number == 2
    assert json.loads((history / "0002.json").read_text())["by"] == "ann"


def test_differences_name_the_zone_and_not_its_place():
    rim, hub = ({"name": name, "polygon": SQUARE, "threshold": 2.0} for name in ("rim", "hub"))
    found = differences({"zone": [rim]}, {"zone": [hub, rim | {"threshold": 3.0}], "threshold": 1.0})
    assert {one.key: (one.old, one.new) for one in found} == {
        "zone[hub].name": (None, "hub"),
        "zone[hub].polygon": (None, SQUARE),
        "zone[hub].threshold": (None, 2.0),
        "zone[rim].threshold": (2.0, 3.0),
        "threshold": (None, 1.0),
    }


def test_two_people_s_changes_come_together_and_what_both_changed_is_told():
    rim, hub = ({"name": name, "threshold": 2.0} for name in ("rim", "hub"))
    base = {"threshold": 1.0, "description": "a", "zone": [rim], "health": {"dark_fraction": 0.4}}
    mine = base | {"threshold": 1.2, "zone": [rim, hub], "health": {"dark_fraction": 0.4, "sharpness_min": 1.0}}
    theirs = base | {"threshold": 1.3, "description": "b", "zone": [rim | {"threshold": 5.0}]}
    assert merged(base, mine, theirs) == {
        "threshold": 1.2,
        "description": "b",
        "zone": [rim | {"threshold": 5.0}, hub],
        "health": {"dark_fraction": 0.4, "sharpness_min": 1.0},
    }
    assert conflicts(base, mine, theirs) == ["threshold"]
    # One removed what the other left alone: it goes; one removed what the other changed: told, and mine stays.
    assert merged(base, base | {"zone": []}, base) == base | {"zone": []}
    assert merged(base, base, {key: base[key] for key in ("threshold", "zone")}) == {"threshold": 1.0, "zone": [rim]}
    assert conflicts(base, base | {"zone": []}, theirs) == ["zone[rim].threshold"]


def test_no_cell_that_an_ignore_region_touches_is_judged(tmp_path):
    path = tmp_path / "r.toml"
    corner = "[[0.0, 0.0], [0.28, 0.0], [0.28, 0.28], [0.0, 0.28]]"
    path.write_text(f'id = "r"\nmodel = "m"\n[[ignore_region]]\nname = "a"\npolygon = {corner}\n')
    (region,) = make_regions(load_recipe(path), (4, 4)).regions
    assert region.mask.tolist() == [[False, False, True, True]] * 2 + [[True] * 4] * 2
