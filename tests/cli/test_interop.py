"""`denoisecli import` and `export` in a pipeline."""

from tests.interop.made import png

INFO = "a cat\nNegative prompt: dogs\nSteps: 9, Sampler: Euler a, CFG scale: 4, Seed: 5, Size: 64x64, RNG: {}"


def test_config_on_stdout_feeds_sample(run, tmp_path):
    png(tmp_path / "x.png", parameters=INFO.format("CPU"))
    done = run("import", "x.png")
    assert (done.returncode, done.stderr) == (0, "")
    planned = run("sample", "-", "--dry-run", "-q", stdin=done.stdout)
    assert planned.stdout.startswith("runs/sample/a-cat-")


def test_notes_are_warnings_on_stderr_and_comments(run, tmp_path):
    png(tmp_path / "x.png", parameters=INFO.format("GPU"))
    done = run("import", "x.png", "--lab", "walk")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: The noise was drawn on the GPU there")
    assert "# The noise was drawn on the GPU there" in done.stdout
    assert "lab: walk" in done.stdout


def test_wrong_lab_and_wrong_file(run, tmp_path):
    png(tmp_path / "x.png")
    assert run("import", "x.png", "--lab", "wlak").returncode == 2
    done = run("import", "x.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds no settings that we can read" in done.stderr
