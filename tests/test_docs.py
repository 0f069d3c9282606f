"""The pages of the documentation: what they show runs, their recipes work in the real editors, and a site is built from them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gradlint.catalog import Catalog
from tests.readme_output import ROOT, pages

CUT = "import torch\nx = torch.ones(2, requires_grad=True)\nx.detach().sum().backward()\n"
TRACEBACK = "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn\n"
#: commands of a page that another test runs
ELSEWHERE = ("pip install . &&", "pip install -e '.[dev]' &&")
#: what else than 1 (there are findings) a command ends with
STATUS = {
    "gradlint graph": 0, "gradlint server --help": 0, "gradlint why": 0, "gradlint config": 0, "gradlint baseline": 0,
    "gradlint src --baseline": 0,
    "gradlint rule": 0, "gradlint explain": 0, "gradlint models": 0, "gradlint clean": 0, "python -m pytest": 0, "pip": 0,
}  # fmt: skip


def fenced(page: Path, kind: str) -> list[str]:
    """The blocks of a page in a language."""
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the commands of the pages speak of, and commands called as users call them."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(CUT, encoding="utf-8")
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    (tmp_path / "traceback.txt").write_text(TRACEBACK, encoding="utf-8")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, module in (("gradlint", "gradlint"), ("python", ""), ("pip", "pip --version #")):
        command = f'exec "{sys.executable}" -m {module} "$@"' if module else f'exec "{sys.executable}" "$@"'
        (bin_folder / name).write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_command_runs(page: Path, project: Path) -> None:
    lines = [line for block in fenced(page, "console") for line in block.splitlines()]
    for line in (line for line in lines if not line.startswith(ELSEWHERE)):
        ran = shell(line, project)
        expected = next((status for begin, status in STATUS.items() if line.startswith(begin)), 1)
        assert ran.returncode == expected, f"{line}\n{ran.stdout}{ran.stderr}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_program_runs(page: Path, project: Path) -> None:
    for block in (b for b in fenced(page, "python") if b.startswith("import")):
        ran = subprocess.run([sys.executable, "-c", block], cwd=project, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, block + ran.stderr


# --- commands in the text --------------------------------------------------------------------------------------------

_INLINE = re.compile(r"`(gradlint [^`\n]*)`")
#: what the text shows -> the same with real things in it
REAL = {
    "FILE:LINE": "src/train.py:3", "path/": "src", "PATH": "src", "NAME": "torch.Tensor.detach", "SCRIPT [ARGS]": "src/train.py",
    "SCRIPT -- ARGS": "src/train.py -- --epochs 1", "SCRIPT": "src/train.py", "gradlint --fix": "gradlint src --fix",
    "corpus/": "src", "--dask tcp://scheduler:8786": "--jobs 1",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"\b[A-Z]{1,}\b|\*")


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_what_the_text_calls_a_command_is_one(page: Path, project: Path) -> None:
    """It runs, or where it is only named or speaks of files of the user, there is such a command with such options."""
    (project / "report.json").write_text("{}", encoding="utf-8")
    for line in sorted(set(_INLINE.findall(page.read_text(encoding="utf-8")))):
        command = line
        for word, real in REAL.items():
            command = command.replace(word, real)
        named = len(command.split()) == 2 and command.islower() and "/" not in command
        if named or _PLACEHOLDER.search(command):
            words = [word for word in command.split() if word.islower() and word.isalpha()][:2]
            ran = shell(f"{' '.join(words)} --help", project)
            assert ran.returncode == 0, f"{line}\n{ran.stderr}"
            assert all(option in ran.stdout for option in re.findall(r"--[a-z-]+", command)), line
        else:
            ran = shell(command, project)
            assert ran.returncode in (0, 1), f"{line} -> {command}\n{ran.stdout}{ran.stderr}"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a line does in a shell."""
    return subprocess.run(
        line, shell=True, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


# --- editors ---------------------------------------------------------------------------------------------------------

EDITORS = ROOT / "docs" / "editors.md"
NODE = shutil.which("node")


def test_the_problem_matcher_of_vs_code_finds_every_finding(project: Path) -> None:
    settings, tasks = (json.loads(block) for block in fenced(EDITORS, "json"))
    (task,) = tasks["tasks"]
    args = [arg.replace("${workspaceFolder}", str(project)) for arg in task["args"]]
    out = subprocess.run([task["command"], *args], cwd=project, capture_output=True, text=True, check=False).stdout
    pattern = task["problemMatcher"]["pattern"]
    matches = [found for line in out.splitlines() if (found := re.match(pattern["regexp"], line))]
    (found,) = matches
    told = {name: found[group] for name, group in pattern.items() if name != "regexp"}
    assert told.pop("message").startswith("x.detach().sum() does not depend on anything that requires grad")
    assert told == {"file": "src/train.py", "line": "3", "column": "1", "severity": "error", "code": "detach"}
    _server_answers([settings["glspc.server.command"], *settings["glspc.server.commandArguments"]])


#: what VS Code does with each line of a task's output
MATCH = """
const pattern = JSON.parse(process.argv[1]);
const found = require('fs').readFileSync(0, 'utf8').split('\\n').map(line => new RegExp(pattern.regexp).exec(line));
console.log(JSON.stringify(found.filter(Boolean).map(m => [m[pattern.file], m[pattern.line], m[pattern.code], m[pattern.message]])));
"""


@pytest.mark.skipif(NODE is None, reason="no Node.js: VS Code's patterns are regular expressions of JavaScript")
def test_the_problem_matcher_is_a_pattern_of_javascript(project: Path) -> None:
    _, tasks = (json.loads(block) for block in fenced(EDITORS, "json"))
    pattern = tasks["tasks"][0]["problemMatcher"]["pattern"]
    (project / "src" / "a: b[c].py").write_text(CUT, encoding="utf-8")
    out = shell("gradlint src --output-format concise", project).stdout
    ran = subprocess.run(
        [str(NODE), "-e", MATCH, json.dumps(pattern)], input=out, capture_output=True, text=True, check=True
    )
    told = json.loads(ran.stdout)
    assert [place[:3] for place in told] == [["src/a: b[c].py", "3", "detach"], ["src/train.py", "3", "detach"]]
    assert all(message.endswith("cuts the gradient") for *_, message in told)


def test_the_output_filter_of_pycharm_finds_every_finding(project: Path) -> None:
    (shown,) = fenced(EDITORS, "text")
    parts = {"$FILE_PATH$": r"(?P<file>\S+)", "$LINE$": r"(?P<line>\d+)", "$COLUMN$": r"(?P<column>\d+)"}
    pattern = shown.strip()
    for macro, group in parts.items():
        pattern = pattern.replace(macro, group)
    command = ["gradlint", str(project / "src" / "train.py"), "--output-format", "concise"]
    out = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False).stdout
    found = re.match(pattern, out)
    assert found
    assert found.groupdict() == {"file": "src/train.py", "line": "3", "column": "1"}


@pytest.mark.usefixtures("project")
def test_the_commands_for_pycharm_and_emacs_start_the_server() -> None:
    text = EDITORS.read_text(encoding="utf-8")
    assert "command `gradlint server --stdio`" in text
    assert '("gradlint" "server" "--stdio")' in text
    _server_answers(["gradlint", "server", "--stdio"])


def _server_answers(command: list[str]) -> None:
    """A server that is started so answers the first message of the protocol."""
    body = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {"capabilities": {}, "processId": None, "rootUri": None},
        }
    )
    exits = json.dumps({"jsonrpc": "2.0", "method": "exit"})
    given = "".join(f"Content-Length: {len(text)}\r\n\r\n{text}" for text in (body, exits))
    ran = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=60)
    assert '"hoverProvider"' in ran.stdout, ran.stderr


NVIM = os.environ.get("NVIM_PATH") or shutil.which("nvim")
#: waits for diagnostics, then prints them and what hovering shows
LOOK = """
vim.wait(60000, function() return #vim.diagnostic.get(0) > 0 end, 50)
local told = {}
for _, d in ipairs(vim.diagnostic.get(0)) do
  table.insert(told, {line = d.lnum, column = d.col, code = d.code or d.user_data.lsp.code, message = d.message, source = d.source})
end
local position = {textDocument = vim.lsp.util.make_text_document_params(0), position = {line = 2, character = 0}}
local hover
for _, answer in pairs(vim.lsp.buf_request_sync(0, 'textDocument/hover', position, 20000) or {}) do
  hover = answer.result and answer.result.contents.value
end
io.stdout:write('<<<' .. vim.fn.json_encode({told = told, hover = hover}) .. '>>>')
vim.cmd('qall!')
"""


def test_neovim_shows_what_the_server_finds(project: Path) -> None:
    if NVIM is None:
        pytest.skip("no Neovim: apt-get install neovim")
    version = subprocess.run([NVIM, "--version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"v(\d+)\.(\d+)", version)
    assert number
    new, old = fenced(EDITORS, "lua")
    recipe = new if (int(number[1]), int(number[2])) >= (0, 11) else old
    (project / "init.lua").write_text(f"{recipe}\nvim.cmd('filetype on')\n", encoding="utf-8")
    (project / "look.lua").write_text(LOOK, encoding="utf-8")
    (project / "pyproject.toml").write_text("", encoding="utf-8")
    (project / "cut.py").write_text(CUT, encoding="utf-8")
    home = {
        **os.environ,
        **{f"XDG_{name}_HOME": str(project / "home") for name in ("CONFIG", "DATA", "STATE", "CACHE")},
    }
    ran = subprocess.run(
        [NVIM, "--headless", "-u", "init.lua", "cut.py", "-c", "luafile look.lua"],
        cwd=project, env=home, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    shown = re.search(r"<<<(.*)>>>", ran.stdout, re.DOTALL)
    assert shown, ran.stdout + ran.stderr
    told: Any = json.loads(shown[1])
    (diagnostic,) = told["told"]
    assert (diagnostic["line"], diagnostic["column"], diagnostic["code"]) == (2, 0, "detach")
    assert diagnostic["source"] == "gradlint"
    assert "**gradlint: detach** (error)" in told["hover"]


# --- the site --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="no MkDocs: pip install '.[docs]'")
def test_a_site_is_built(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    for slug in Catalog.load().rules:
        assert (tmp_path / "site" / "rules" / slug / "index.html").is_file()
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert 'href="editors/"' in index
    assert not list((tmp_path / "site").rglob("*.py"))


def test_links_lead_to_files() -> None:
    for page in pages():
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert re.match(r"https?://", link) or (page.parent / link).exists(), f"{page.name}: {link}"
