"""Rows that hold for some releases: which of them speaks, and where a project says which releases it runs under."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from gradlint import api, config, sources
from gradlint.catalog import Catalog
from gradlint.config import Config
from gradlint.releases import Pin, possible, specifier
from gradlint.requirements import pins

ROWS = """\
"a.f" = [
    { until = "1.13", flow = "cuts", cause = "library", defaults = { quick = false, deep = true } },
    { since = "2.0", until = "2.4", defaults = { quick = true, deep = true } },
    { since = "3", flow = "cuts", cause = "numpy", returns = "array", aliases = ["a.T.f"] },
]
"a.gone" = { until = "1.13", flow = "cuts", cause = "library" }
"a.saves" = [{ until = "1", saves = "input" }, { since = "2", saves = "output" }]
"""


def under(tmp_path: Path, *releases: str) -> Catalog:
    """The rows where these releases are known."""
    file = tmp_path / "rows.toml"
    file.write_text(ROWS, encoding="utf-8")
    return Catalog.load([file], pins=[Pin("a", specifier(text)) for text in releases])


@pytest.mark.parametrize(
    ("releases", "flow", "cause"),
    [
        (["1.13"], "cuts", "library"),
        (["==1.13.1"], "cuts", "library"),
        (["==1.13.1+cu117"], "cuts", "library"),
        (["<2"], "cuts", "library"),
        (["~=1.4"], "cuts", "library"),
        ([">=2.0,<2.4"], "carries", ""),
        (["2.4"], "carries", ""),
        (["~=2.0.1"], "carries", ""),
        ([">=3"], "cuts", "numpy"),
        ([">2.4.9"], "unknown", ""),
        ([">=1.13"], "unknown", ""),
        (["<=2.0"], "unknown", ""),
        (["!=2.1"], "unknown", ""),
        (["1.13", "2.1"], "unknown", ""),
        ([], "unknown", ""),
        (["2.7"], "unknown", ""),
        (["no release"], "unknown", ""),
    ],
)
def test_which_row_speaks(tmp_path: Path, releases: list[str], flow: str, cause: str) -> None:
    made = under(tmp_path, *releases)
    for name in ("a.f", "a.T.f"):
        row = made.row(name)
        assert row is not None
        assert (row.flow, row.cause) == (flow, cause)


def test_what_releases_have_alike_is_known(tmp_path: Path) -> None:
    made = under(tmp_path, "<2.5")
    assert made.default("a.f", "deep") is True
    assert made.default("a.f", "quick") is None
    assert under(tmp_path, "2.0").default("a.f", "quick") is True
    row = under(tmp_path).row("a.saves")
    assert row is not None
    assert (row.flow, row.saves) == ("carries", "")


def test_a_single_row_speaks_where_it_may_hold(tmp_path: Path) -> None:
    rows = [under(tmp_path, *given).row("a.gone") for given in ([], ["1.8"], ["2.0"])]
    assert [row.flow for row in rows if row is not None] == ["cuts", "cuts", "unknown"]
    assert [under(tmp_path, *given).exists("a.gone") for given in ([], ["1.8"], [">=1.8"], ["2.0"])] == [
        None,
        True,
        None,
        False,
    ]


def test_no_release_is_none() -> None:
    assert possible([]) is None
    assert possible([Pin("a", "==1.x.y")]) is None


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (
            {"requirements.txt": "# torch==1\nnumpy\ntorch==1.13.1+cu117  # for CUDA\n"},
            [("torch", "==1.13.1+cu117", 3)],
        ),
        ({"requirements.txt": "-r more.txt\ntorch\ntorchvision==0.14\n"}, []),
        ({"requirements.txt": "torch>=1.8, <2 ; python_version < '3.12'\n"}, [("torch", ">=1.8, <2", 1)]),
        ({"requirements.txt": "torch[opt-einsum] (>=2)\n"}, [("torch", ">=2", 1)]),
        ({"requirements.txt": "torch @ https://example.org/torch-1.13.whl\n"}, []),
        ({"pyproject.toml": "[project]\ndependencies = ['torch~=2.1']\n"}, [("torch", "~=2.1", 0)]),
        (
            {"pyproject.toml": "[project]\ndependencies = ['torch>=2']\n", "requirements.txt": "torch==1.13\n"},
            [("torch", ">=2", 0)],
        ),
        (
            {"pyproject.toml": "[project]\ndependencies = ['torch']\n", "requirements.txt": "torch==1.13\n"},
            [("torch", "==1.13", 1)],
        ),
        (
            {"pyproject.toml": "[project.optional-dependencies]\nold = ['torch<2']\nnew = ['torch>=2']\n"},
            [("torch", "<2", 0), ("torch", ">=2", 0)],
        ),
        (
            {"pyproject.toml": "[dependency-groups]\ndev = ['torch==2.1', { include-group = 'x' }]\n"},
            [("torch", "==2.1", 0)],
        ),
        ({"pyproject.toml": "[tool.poetry.dependencies]\ntorch = '1.13.1'\n"}, [("torch", "==1.13.1", 0)]),
        ({"pyproject.toml": "[tool.poetry.dependencies]\ntorch = { version = '>=1.13' }\n"}, [("torch", ">=1.13", 0)]),
        ({"pyproject.toml": "[tool.poetry.dependencies]\ntorch = '^1.13'\n"}, []),
        ({"pyproject.toml": "[build-system]\nrequires = ['torch==1.13']\n"}, []),
        ({"pyproject.toml": "dependencies =\n"}, []),
        ({}, []),
    ],
)
def test_what_a_project_requires(tmp_path: Path, files: dict[str, str], found: list[tuple[str, str, int]]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    told = pins(tmp_path, {"torch"})
    assert [(pin.library, pin.text, pin.line) for pin in told] == found
    assert all(pin.file.endswith(("requirements.txt", "pyproject.toml")) for pin in told)


def test_settings_count_more_than_requirements(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("torch==1.13\ntransformers==5.1\n", encoding="utf-8")
    settings = tmp_path / "gradlint.toml"
    settings.write_text("versions = { torch = '2.1' }\n", encoding="utf-8")
    made, problems = sources.knowledge(config.load([], settings), root=tmp_path)
    assert problems == ()
    assert [(pin.library, pin.text) for pin in made.pins] == [("torch", "==2.1.*"), ("transformers", "==5.1")]


@pytest.mark.parametrize(
    ("versions", "told"),
    [
        ("{ torch = 2 }", "key 'versions.torch': expected a string, not the number 2"),
        ("{ torch = 'old' }", "key 'versions.torch': the string \"old\" names no releases"),
        ("{ torch = '>=1.x' }", "key 'versions.torch': \">=1.x\" names no releases"),
        ("{ tourch = '1.13' }", "key 'versions.tourch': no model knows a library 'tourch'; did you mean 'torch'?"),
    ],
)
def test_a_wrong_release_is_told(tmp_path: Path, versions: str, told: str) -> None:
    settings = tmp_path / "gradlint.toml"
    settings.write_text(f"versions = {versions}\n", encoding="utf-8")
    made, (problem,) = sources.knowledge(config.load([], settings))
    assert problem.endswith(told) or told in problem
    assert "gradlint.toml:1: " in problem
    assert made.pins == ()


def test_what_is_said_of_old_releases_names_its_source() -> None:
    old = [row for each in Catalog.load().rows() for row in (*each.former, each) if row.until]
    assert old
    assert [row.name for row in old if not row.source] == []


# --- what depends on the release of torch -----------------------------------------------------------------------------

STEP = """\
import torch
m = torch.nn.Linear(3, 1)
opt = torch.optim.SGD(m.parameters(), 0.1)
m(torch.rand(2, 3)).sum().backward()
"""
KEPT = STEP + "g = m.weight.grad\nopt.zero_grad()\nprint(g.norm())\n"
READ = STEP + "opt.zero_grad()\nprint(m.weight.grad.norm())\n"
HOOKED = STEP.replace("m(torch", "m.register_backward_hook(lambda m, a, b: print(b))\nm(torch")


@pytest.mark.parametrize(
    ("text", "release", "rules"),
    [
        (KEPT, "1.13", ["mistimed-grad"]),
        (KEPT, ">=2", []),
        (KEPT, ">=1.8", []),
        (READ, "1.13", ["mistimed-grad"]),
        (READ, "2.1", ["mistimed-grad"]),
        (READ, ">=1.8", ["mistimed-grad"]),
        (HOOKED, "1.7", []),
        (HOOKED, "1.8", ["legacy-backward-hook"]),
        (HOOKED, ">=1.6", ["legacy-backward-hook"]),
    ],
)
def test_what_is_found(tmp_path: Path, text: str, release: str, rules: list[str]) -> None:
    file = tmp_path / "program.py"
    file.write_text(text, encoding="utf-8")
    assert [f.rule for f in api.check([file], Config(versions={"torch": release})).findings] == rules


@pytest.mark.parametrize("flag", [{}, {"set_to_none": False}])
def test_what_zero_grad_leaves(flag: dict[str, bool]) -> None:
    """The flag that the release here has by itself; the flag spelt out is the default of old ones."""
    layer = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    layer(torch.rand(2, 3)).sum().backward()
    kept = layer.weight.grad
    optimizer.zero_grad(**flag)
    here = Catalog.load(pins=[Pin("torch", f"=={torch.__version__.partition('+')[0]}")])
    assert (layer.weight.grad is None) is (not flag and here.default("torch.optim.Optimizer.zero_grad", "set_to_none"))
    assert kept is not None
    assert bool(kept.any()) is (not flag)


def test_what_a_checkpoint_does_by_itself() -> None:
    layer = nn.Linear(3, 1)
    with pytest.warns(UserWarning, match="use_reentrant"):
        out = torch.utils.checkpoint.checkpoint(layer, torch.rand(2, 3))
    assert out.requires_grad is not Catalog.load().default("torch.utils.checkpoint.checkpoint", "use_reentrant")


def test_requirements_decide_and_the_cache_knows_it(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(KEPT, encoding="utf-8")
    (tmp_path / "pyproject.toml").touch()
    for release, rules in (("==1.13.1", ["mistimed-grad"]), (">=2", []), ("==1.13.1", ["mistimed-grad"])):
        (tmp_path / "requirements.txt").write_text(f"torch{release}\n", encoding="utf-8")
        for _ in range(2):  # the second time from the cache
            outcome = api.run(api.Task((str(file),), config.load([file]), cache=tmp_path / "cache"))
            assert [f.rule for f in outcome.report.findings] == rules
