"""A file is whole or the old one; a disk that cannot be written to is one clear line."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.errors import ReportError
from lib.experiment import profile as config
from lib.store import files


@given(st.text())
def test_text_is_written_as_it_is(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("f") / "a" / "b.txt"
    files.write_text(path, text)
    assert path.read_bytes() == text.encode()
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_sha256(tmp_path):
    data = os.urandom(3 << 20)
    (tmp_path / "x").write_bytes(data)
    assert files.sha256(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_others_may_read_what_is_written(tmp_path):
    files.write_text(tmp_path / "x", "x")
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("code", files.UNWRITABLE)
def test_every_reason_is_one_line_that_names_the_folder(tmp_path, code):
    with pytest.raises(ReportError) as caught, files.writable(tmp_path):
        raise OSError(code, os.strerror(code))
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert "--outputs" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_a_librarys_own_words_for_a_full_disk(tmp_path, error):
    with pytest.raises(ReportError, match="no space left on the disk"), files.writable(tmp_path):
        raise error("Can't write data (errno = 28, error message = 'No space left on device')")
    with pytest.raises(error, match="weights differ"), files.writable(tmp_path):
        raise error("weights differ")


def test_numpy_cannot_write_an_array_on_a_full_disk(disk):
    place = disk(64)
    with pytest.raises(ReportError, match="no space left on the disk"), files.writable(place):
        np.save(place / "array.npy", np.zeros(1 << 20))


def test_a_line_for_people_passes_through(tmp_path):
    with pytest.raises(ReportError, match=r"^elsewhere: No space left on device$"), files.writable(tmp_path):
        raise ReportError("elsewhere: No space left on device")


def test_other_errors_pass_through(tmp_path):
    with pytest.raises(OSError, match="EIO"), files.writable(tmp_path):
        raise OSError(errno.EIO, "EIO")


def test_old_file_survives_a_failure(tmp_path, monkeypatch):
    path = tmp_path / "x"
    files.write_text(path, "old")

    def fails(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(ReportError, match="no space left on the disk"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path, seen = tmp_path / "x", []
    files.write_text(path, "old")
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(path.read_text()))
    files.write_text(path, "new")
    assert (seen, path.read_text()) == (["old"], "new")


def test_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="is not a folder"):
        files.write_text(tmp_path / "file" / "x", "x")


@pytest.mark.skipif(os.geteuid() == 0 and not hasattr(os, "setresuid"), reason="root may write everywhere")
def test_folder_without_the_right_to_write(tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "x").write_text("old")
    for folder in (tmp_path, *tmp_path.parents):  # another user has to come here
        with contextlib.suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "locked").chmod(0o555)
    done = _python(tmp_path / "locked" / "x", before="if os.geteuid() == 0: os.setresuid(65534, 65534, 65534)")
    assert "cannot be written; give yourself the right to" in done.stdout, done.stderr
    assert (tmp_path / "locked" / "x").read_text() == "old"


def test_file_size_limit(tmp_path):
    (tmp_path / "x").write_text("old")
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    )
    done = _python(tmp_path / "x", before=limit)
    assert "larger than this system allows" in done.stdout, done.stderr
    assert (tmp_path / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_full_disk(disk):
    small_disk = disk(4096)
    (small_disk / "x").write_text("old")
    with pytest.raises(ReportError, match=f"^{small_disk}: no space left on the disk; free some, or choose another folder with --outputs"):
        files.write_bytes(small_disk / "x", b"1" * (8 << 20))
    assert (small_disk / "x").read_text() == "old"
    assert [p.name for p in small_disk.iterdir()] == ["x"]


def _python(path: Path, before: str) -> subprocess.CompletedProcess[str]:
    """Write 1 MiB to `path` in a process of its own, after `before`; it prints the ReportError."""
    code = f"""
        import os
        from pathlib import Path
        from lib.store import files
        from lib.errors import ReportError
        {before}
        try:
            files.write_bytes(Path({str(path)!r}), b"1" * (1 << 20))
        except ReportError as error:
            print(error)
    """
    environment = os.environ | {"PYTHONPATH": str(config.ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, capture_output=True, text=True, timeout=60)
