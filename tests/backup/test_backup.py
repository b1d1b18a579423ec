"""The station as one file and back: whole or not at all, checked to the last byte, nothing lost on the way."""

import gzip
import io
import json
import sqlite3
import tarfile
import threading

import pytest

from inspector.backup import restore
from inspector.backup.archive import MANIFEST, make_backup, unpack_backup
from inspector.backup.restore import put_in_place, restore_waiting
from inspector.clock import SimulatedClock
from inspector.config import load_station
from inspector.errors import ConfigError, StationError, UsageError
from inspector.jobs.folder import write_json
from inspector.logfile import without_secrets
from inspector.recipe_book import RecipeBook

AT = "2026-03-01T10:00:00.000Z"
STATION = """
[station]
name = "Cell 4"
recipe = "bracket.toml"
[record]
store = "../data/records.sqlite"
images = "../data/images"
[web]
store = "../data/web.sqlite"
work = "../data/work"
"""


def silent(_done, _total):
    pass


def database(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (n INTEGER)")
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(rows)])
    return connection


def rows_of(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT COUNT(*) FROM t").fetchone()[0]
    finally:
        connection.close()


@pytest.fixture
def plant(tmp_path):
    cell = tmp_path / "plant" / "cell"
    for model in ("r1", "r2"):
        (cell.parent / "models" / "bracket" / model).mkdir(parents=True)
        (cell.parent / "models" / "bracket" / model / "model.onnx").write_bytes(model.encode() * 1000)
    cell.mkdir(parents=True)
    (cell / "station.toml").write_text(STATION)
    (cell / "bracket.toml").write_text('id = "bracket"\nmodel = "../models/bracket/r1"\n')
    book = RecipeBook(cell, SimulatedClock())
    book.save(
        "bracket", book.tables("bracket", book.in_force("bracket")) | {"model": "../models/bracket/r2"}, 1, "ann", ""
    )
    database(cell.parent / "data" / "web.sqlite", 7).close()
    database(cell.parent / "data" / "records.sqlite", 100).close()
    (cell.parent / "data" / "images" / "day").mkdir(parents=True)
    (cell.parent / "data" / "images" / "day" / "x.jpg").write_bytes(b"jpeg")
    return cell / "station.toml"


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(("-wal", "-shm"))
    }


def restored(archive, station, tmp_path, name="unpacked"):
    unpack_backup(archive, tmp_path / name, silent)
    return put_in_place(tmp_path / name, station, station.parent / "replaced")


def test_a_backup_restored_on_a_bare_machine_is_the_same_station(plant, tmp_path):
    manifest = make_backup(plant, tmp_path / "b.tar.gz", AT, silent, records=True, pictures=True)
    roles = {entry.role for entry in manifest.entries}
    assert roles == {"station", "recipe", "model", "web store", "records", "picture"}
    bare = tmp_path / "new" / "cell"
    bare.mkdir(parents=True)
    restored(tmp_path / "b.tar.gz", bare / "station.toml", tmp_path)
    before, after = tree(plant.parent.parent), tree(bare.parent)
    databases = {"data/web.sqlite", "data/records.sqlite"}
    assert {place: after[place] for place in after.keys() - databases} == {
        place: before[place] for place in before.keys() - databases
    }
    assert rows_of(bare.parent / "data" / "records.sqlite") == 100
    assert load_station(bare / "station.toml").station.name == "Cell 4"
    assert [version.by for version in RecipeBook(bare, SimulatedClock()).versions("bracket")] == ["ann", "(file)"]
    assert not (bare / "replaced").exists()


def test_what_was_in_place_is_kept_aside_and_records_that_are_not_in_the_backup_stay(plant, tmp_path):
    manifest = make_backup(plant, tmp_path / "b.tar.gz", AT, silent)
    assert "records" in manifest.left_out
    (plant.parent / "bracket.toml").write_text('id = "bracket"\nmodel = "../models/bracket/r2"\nthreshold = 9\n')
    (plant.parent / "new.toml").write_text('id = "new"\nmodel = "../models/bracket/r2"\n')
    with sqlite3.connect(plant.parent.parent / "data" / "web.sqlite") as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    connection.close()
    restored(tmp_path / "b.tar.gz", plant, tmp_path)
    aside = plant.parent / "replaced"
    assert "threshold" not in (plant.parent / "bracket.toml").read_text()
    assert "threshold = 9" in (aside / "cell" / "bracket.toml").read_text()
    assert not (plant.parent / "new.toml").exists()
    assert (aside / "cell" / "new.toml").exists()
    data = plant.parent.parent / "data"
    assert (rows_of(data / "web.sqlite"), rows_of(aside / "data" / "web.sqlite"), rows_of(data / "records.sqlite")) == (
        7,
        8,
        100,
    )
    assert (data / "images" / "day" / "x.jpg").exists()


def test_a_database_that_is_being_written_is_whole_in_the_backup(plant, tmp_path):
    path, stop = plant.parent.parent / "data" / "web.sqlite", threading.Event()

    def write():
        connection = sqlite3.connect(path, isolation_level=None)
        while not stop.is_set():
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO t VALUES (?)", [(1,)] * 1000)
            connection.execute("COMMIT")
        connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        make_backup(plant, tmp_path / "b.tar.gz", AT, silent)
    finally:
        stop.set()
        thread.join()
    manifest = unpack_backup(tmp_path / "b.tar.gz", tmp_path / "unpacked", silent)
    number = next(place for place, entry in enumerate(manifest.entries) if entry.role == "web store")
    copy = tmp_path / "unpacked" / "files" / f"{number:06d}"
    assert rows_of(copy) % 1000 == 7
    assert sqlite3.connect(copy).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def changed(archive, change):
    """The archive with its members run through `change(name, content) -> (name, content) or None`."""
    found = []
    with tarfile.open(archive) as packed:
        for member in packed:
            found.append((member.name, packed.extractfile(member).read()))
    with tarfile.open(archive, "w:gz") as packed:
        for name, content in change(found):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))


def edited(found, **more):
    tables = json.loads(found[0][1]) | more
    return [(MANIFEST, json.dumps(tables).encode()), *found[1:]]


def moved(found, place):
    tables = json.loads(found[0][1])
    tables["entries"][0]["place"] = place
    return edited(found, entries=tables["entries"])


BAD = {
    "SHA-256 is": lambda found: [*found[:-1], (found[-1][0], found[-1][1][:-1] + b"!")],
    "of 0 bytes": lambda found: [*found[:-1], (found[-1][0], b"")],
    "found None": lambda found: found[:-1],
    "holds 'files/more'": lambda found: [*found, ("files/more", b"x")],
    "wanted manifest.json": lambda found: found[1:],
    "format is 2, this program reads 1": lambda found: edited(found, format=2),
    "cannot be read: KeyError": lambda found: edited(found, entries=[{"size": 1}]) and [(MANIFEST, b'{"format": 1}')],
    "is not JSON": lambda found: [(MANIFEST, b"{"), *found[1:]],
    "'../../../evil' lies outside": lambda found: moved(found, "../../../evil"),
    "'/etc/passwd' lies outside": lambda found: moved(found, "/etc/passwd"),
    "is there twice": lambda found: moved(found, json.loads(found[0][1])["entries"][1]["place"]),
}


@pytest.mark.parametrize("said", BAD)
def test_a_backup_that_is_not_whole_is_refused_and_nothing_was_touched(plant, tmp_path, said):
    make_backup(plant, tmp_path / "b.tar.gz", AT, silent)
    before = tree(plant.parent.parent)
    changed(tmp_path / "b.tar.gz", BAD[said])
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        unpack_backup(tmp_path / "b.tar.gz", tmp_path / "unpacked", silent)
    assert not (tmp_path / "unpacked" / MANIFEST).exists()
    assert tree(plant.parent.parent) == before


def test_a_torn_archive_and_one_that_is_none_are_refused(plant, tmp_path):
    archive = tmp_path / "b.tar.gz"
    make_backup(plant, archive, AT, silent)
    whole = archive.read_bytes()
    for number, content in enumerate((whole[: len(whole) // 2], b"hello", b"", gzip.compress(b"hello"))):
        archive.write_bytes(content)
        with pytest.raises(UsageError):
            unpack_backup(archive, tmp_path / f"u{number}", silent)


def test_a_station_that_would_not_start_is_refused(plant, tmp_path):
    (plant.parent / "bracket.toml").write_text('id = "bracket"\nmodel = "m"\nthreshhold = 1\n')
    make_backup(plant, tmp_path / "b.tar.gz", AT, silent)
    with pytest.raises(ConfigError, match="did you mean 'threshold'"):
        unpack_backup(tmp_path / "b.tar.gz", tmp_path / "unpacked", silent)


def test_a_file_too_far_away_is_named_and_no_half_backup_is_left(plant, tmp_path):
    far = tmp_path / "far" / "r1"
    far.mkdir(parents=True)
    (far / "model.onnx").write_bytes(b"x")
    (plant.parent / "bracket.toml").write_text(f'id = "bracket"\nmodel = "{far}"\n')
    with pytest.raises(UsageError, match=f"{far}/model.onnx: lies outside of"):
        make_backup(plant, tmp_path / "b.tar.gz", AT, silent)
    assert not list(tmp_path.glob("*b.tar.gz*"))


@pytest.mark.parametrize("stops_at", [1, 4, 12, 20, 25, 28, 30, 33])
def test_a_restore_that_was_interrupted_anywhere_goes_on_at_the_next_start(plant, tmp_path, monkeypatch, stops_at):
    make_backup(plant, tmp_path / "b.tar.gz", AT, silent)
    (plant.parent / "bracket.toml").write_text('id = "bracket"\nmodel = "../models/bracket/r2"\nthreshold = 9\n')
    work = plant.parent.parent / "data" / "work"
    unpack_backup(tmp_path / "b.tar.gz", work / "restore" / "unpacked", silent)
    write_json(work / "restore" / "restore.json", {"apply": True})
    calls = iter(range(1, 1000))

    def cut(real):
        def until_the_power_goes(*given):
            if next(calls) == stops_at:
                raise OSError("the power went")
            real(*given)

        return until_the_power_goes

    for name in ("_move", "_place"):
        monkeypatch.setattr(restore, name, cut(getattr(restore, name)))
    clock = SimulatedClock()
    with pytest.raises(StationError, match="start again to go on"):
        restore_waiting(plant, work, clock)
    clock.advance_to(int(3600e9))
    said = restore_waiting(plant, work, clock)
    assert "restored" in said
    assert "threshold" not in (plant.parent / "bracket.toml").read_text()
    (aside,) = plant.parent.glob("replaced-*")
    assert "threshold = 9" in (aside / "cell" / "bracket.toml").read_text()
    assert rows_of(plant.parent.parent / "data" / "web.sqlite") == 7
    assert restore_waiting(plant, work, clock) == ""


def test_a_backup_that_nobody_asked_to_restore_is_not_restored(plant):
    work = plant.parent.parent / "data" / "work"
    assert restore_waiting(plant, work, SimulatedClock()) == ""
    (work / "restore").mkdir(parents=True)
    write_json(work / "restore" / "restore.json", {"apply": False})
    assert restore_waiting(plant, work, SimulatedClock()) == ""


def test_secrets_are_blanked_in_the_bundle():
    text = 'store = "postgresql://user:geheim@host/db"\npassword_file = "pw.txt"\ntoken = "abc"\n'
    assert without_secrets(text) == 'store = "postgresql://user:***@host/db"\npassword_file = "***"\ntoken = "***"\n'
