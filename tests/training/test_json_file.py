import os

import pytest

from hamlet.files import json_file

REFUSED = {
    "a deep nest": (b"[" * 5000 + b"]" * 5000, "nests more than 64"),
    "a nest that the parser takes": (b"[" * 65 + b"]" * 65, "nests more than 64"),
    "NaN": (b'{"steps": NaN}', "contains NaN, which is not a number in JSON"),
    "minus infinity": (b'{"steps": -Infinity}', "contains -Infinity"),
    "a number beyond floats": (b'{"steps": 1e999}', "a number that is too large: 1e999"),
    "a number beyond 64 bits": (b'{"steps": 9223372036854775808}', "more than 64 bits"),
    "a number of many digits": (b'{"steps": 1' + b"0" * 6000 + b"}", "more than 64 bits"),
    "a key twice": (b'{"steps": 1, "steps": 2}', "has the key 'steps' twice"),
    "a truncated file": (b'{"steps": 1', "Expecting"),
    "an empty file": (b"", "Expecting value"),
    "bytes that are no text": (b'{"steps": "\xff"}', "is not UTF-8"),
    "text of two bytes a letter": ('{"steps": 1}'.encode("utf-16"), "is not UTF-8"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_sound_json_is_refused_in_one_line(tmp_path, kind):
    data, message = REFUSED[kind]
    (tmp_path / "file.json").write_bytes(data)
    with pytest.raises(ValueError, match=message) as refusal:
        json_file.read(tmp_path / "file.json")
    assert "\n" not in str(refusal.value)


def test_whatever_is_sound_is_read_as_it_was_written(tmp_path):
    value = {"a": [1, -0.5, None, True, "ü\n"], "b": 2**63 - 1, "c": [[[]]] * 3}
    (tmp_path / "file.json").write_text(json_file.as_text(value), encoding="utf-8")
    assert json_file.read(tmp_path / "file.json") == value
    assert json_file.parse(b"[" * 64 + b"]" * 64)


def test_numbers_that_json_has_not_are_read_where_the_reader_asks_for_them():
    assert json_file.parse(b"[Infinity, 1e999]", finite=False) == [float("inf")] * 2


def test_nothing_but_a_regular_file_is_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("pipe", "directory"):
        with pytest.raises((ValueError, OSError), match=r"not a regular file|Is a directory"):
            json_file.read(tmp_path / name)
    with pytest.raises(ValueError, match="not a regular file"):
        json_file.contents(tmp_path / "../../../../../../../../../../dev/zero")


def test_a_link_is_followed_within_its_directory_alone(tmp_path):
    (tmp_path / "outside.json").write_text("1")
    inside = tmp_path / "run"
    inside.mkdir()
    (inside / "real.json").write_text("2")
    (inside / "link.json").symlink_to("real.json")
    (inside / "leads-out.json").symlink_to("../outside.json")
    (inside / "zero.json").symlink_to("/dev/zero")
    assert json_file.read(inside / "link.json") == 2
    for name in ("leads-out.json", "zero.json"):
        with pytest.raises(ValueError, match="a link that leads out of its directory"):
            json_file.read(inside / name)
    (tmp_path / "linked-run").symlink_to(inside)
    assert json_file.read(tmp_path / "linked-run" / "link.json") == 2


def test_a_file_that_is_too_large_is_not_read_at_all(tmp_path):
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(json_file.LARGEST + 1)
    with pytest.raises(ValueError, match="larger than 67,108,864 bytes"):
        json_file.read(tmp_path / "large.json")
