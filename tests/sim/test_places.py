"""make takes no folder with a space: it works elsewhere, and what it makes comes back."""

import os
import subprocess

from oxnor.models.base.replace import temporary_name
from oxnor.sim.runner import places
from oxnor.sim.runner.places import make_place, plain_sources


def test_make_works_in_a_folder_without_spaces(tmp_path):
    plain, spaced = tmp_path / "work", tmp_path / "my work" / "it's"
    spaced.mkdir(parents=True)
    (spaced / "old").write_text("")
    with make_place(plain) as place:
        assert place == plain
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = temporary_name(places._ELSEWHERE / f"oxnor-{os.getuid()}")
    left = left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    left.mkdir()
    with make_place(spaced) as place:
        assert " " not in str(place)
        (place / "Makefile").write_text("all:\n\techo made > here\n")
        subprocess.run(["make", "-C", place], check=True, capture_output=True)
    assert (spaced / "here").read_text() == "made\n"
    assert not (spaced / "old").exists()
    assert not place.exists()
    assert not left.exists()


def test_sources_by_names_that_make_takes(tmp_path):
    (tmp_path / "a b").mkdir()
    sources = [tmp_path / "a b" / "x.sv", tmp_path / "y.sv"]
    for path in sources:
        path.write_text(path.name)
    work = tmp_path / "work"
    work.mkdir()
    spaced, plain = plain_sources(sources, work)
    assert plain == sources[1]
    assert (spaced.name, spaced.read_text()) == ("x.sv", "x.sv")
    assert " " not in str(spaced)
