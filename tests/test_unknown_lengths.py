"""Generators that call themselves, and lists that long loops fill: run as far as they are known, and the run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import api
from gradlint.config import Config, Loaded

WALK = "import json, torch\ndef pairs(tree):\n    for key, value in tree.items():\n        yield key, value\n{deeper}"
END = "for pair in pairs({tree}):\n    print(pair)\nx = torch.rand(3, requires_grad=True)\ny = x.detach()\ny.sum().backward()\n"
DEEPER = "        if isinstance(value, dict):\n            yield from pairs(value)\n"
LOOPED = "        for pair in pairs(value):\n            yield pair\n"


@pytest.mark.parametrize("deeper", [DEEPER, LOOPED])
@pytest.mark.parametrize("tree", ["json.load(open('settings.json'))", "{'a': {'b': {'c': {'d': 1}}}}"])
def test_what_comes_after_a_recursive_generator_is_run(tmp_path: Path, deeper: str, tree: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(WALK.format(deeper=deeper) + END.replace("{tree}", tree), encoding="utf-8")
    analysis = api.analyse(api.Task((str(file),), Loaded(Config(), tmp_path)))
    assert [f.rule for f in api.reported(analysis).report.findings] == ["detach"]
    assert "steps of a whole run" not in analysis.result.bounds
    assert analysis.result.bounds.get("call depth", 0) == 0


@pytest.mark.parametrize(
    "made",
    ["samples[0:16]", "list(samples)", "sorted(samples)", "[s / 2 for s in samples]", "[s for s in samples][2:]"],
)
def test_what_is_made_of_a_long_list_may_be_long(tmp_path: Path, made: str) -> None:
    head = "import numpy, torch\nsamples = []\nfor signal in numpy.load('signals.npy'):\n    samples.append(signal)\n"
    file = tmp_path / "program.py"
    file.write_text(
        f"{head}if len({made}) < 16:\n    raise SystemExit\n{END.split('print(pair)')[1][1:]}", encoding="utf-8"
    )
    assert [f.rule for f in api.check([file]).findings] == ["detach"]
