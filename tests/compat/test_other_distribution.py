"""Two distributions that install a package `dataflow`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dataflow
import dataflow_caption

SOURCE = Path(dataflow.__file__).parents[1]


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    for name in ("dataflow", "dataflow_caption"):
        shutil.copytree(SOURCE / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SOURCE / "leftover" / "dataflow.py", folder)
    return folder


def run(site, code):
    paths = [path for path in sys.path if path and not Path(path, "dataflow").is_dir()]
    code = f"import sys; sys.path[:] = [{str(site)!r}, *{paths!r}]; {code}"
    return subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)


def other(site):
    (site / "open_dataflow-1.0.8.dist-info").mkdir()


def test_alone_nothing_is_said(site):
    done = run(site, "import dataflow")
    assert (done.returncode, done.stderr) == (0, "")


def test_beside_the_other_one_line_says_what_to_do(site):
    other(site)
    done = run(site, "import dataflow; import dataflow")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "pip uninstall -y open-dataflow dataflow-caption" in done.stderr


def test_where_the_other_overwrote_files_the_command_says_so(site):
    other(site)
    (site / "dataflow" / "__init__.py").write_text("raise RuntimeError('theirs')\n")
    done = run(site, "import dataflow_caption; dataflow_caption.start()")
    assert done.returncode == 1
    assert "their files overwrite each other" in done.stderr
    assert len(done.stderr.splitlines()) == 1


MODULES = ["utils.frames", "serving.adapter", "operators.core_vision.prompts", "images.loader"]


@pytest.mark.parametrize("module", MODULES)
def test_where_the_other_overwrote_files_no_module_of_ours_works_among_them(site, module):
    other(site)
    (site / "dataflow" / "__init__.py").write_text("__version__ = '1.0.13'\n")
    done = run(site, f"import dataflow.{module}")
    assert done.returncode == 1
    assert "their files overwrite each other" in done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_where_uninstalling_the_other_took_the_package_no_rest_of_it_works(site, module):
    (site / "dataflow" / "__init__.py").unlink()
    done = run(site, f"import dataflow.{module}")
    assert done.returncode == 1
    assert "--force-reinstall" in done.stderr


@pytest.mark.parametrize("code", ["import dataflow", "from dataflow import caption"])
def test_what_is_left_of_the_package_is_no_empty_package(site, code):
    (site / "dataflow" / "__init__.py").unlink()
    done = run(site, code)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: files of dataflow-caption")
    other(site)
    assert "their files overwrite each other" in run(site, code).stderr


def test_the_other_s_command_says_so_in_one_line(site):
    other(site)
    (site / "dataflow" / "__init__.py").write_text("__version__ = '1.0.13'\n")
    done = run(site, "from dataflow.cli import app; sys.exit(app())")
    assert done.returncode == 1
    assert "their files overwrite each other" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("missing", ["__init__.py", "cli/__init__.py"])
def test_where_uninstalling_the_other_took_files_the_command_says_so(site, missing):
    (site / "dataflow" / missing).unlink()
    done = run(site, "import dataflow_caption; dataflow_caption.start()")
    assert done.returncode == 1
    assert "--force-reinstall" in done.stderr


def test_a_whole_installation_starts(site):
    code = "import dataflow_caption; sys.argv = ['dataflow-caption', '--help']; "
    done = run(site, code + "dataflow_caption.start()")
    assert done.returncode == 0, done.stderr
    assert "caption" in done.stdout


def test_folders_that_hold_no_distributions_are_passed_over(tmp_path):
    other(tmp_path)
    assert dataflow_caption.conflict([str(tmp_path), "/no/such/site-packages", "x.zip"]) == ""
