"""Data outside torch is followed through the user's rewritten functions, and these do what was written."""

from __future__ import annotations

import contextlib
import io
import runpy
from pathlib import Path

import pytest

from gradlint import api, traced
from gradlint.catalog import Catalog
from gradlint.config import Config, Loaded
from gradlint.runtime import imports
from gradlint.runtime.excursion import Excursion
from gradlint.runtime.launch import Request
from gradlint.runtime.record import Recording
from gradlint.runtime.rewrite import Plan
from tests.runtime.harness import found_in, in_child

BEGIN = "import io, json\nimport numpy as np\nimport torch\nnet = torch.nn.Linear(3, 2)\nout = net(torch.ones(1, 3))\n"
#: the way out of torch and back; the cut is on the first line of each
WAYS = {
    "generator": "s = sum(v * v for v in out[0].tolist())\nback = torch.tensor([s, 1.0])",
    "map": "v = list(map(lambda t: t.item() ** 2, out.unbind()[0]))\nback = torch.tensor(max(v) + min(v))",
    "text": "text = json.dumps({'maps': out.tolist()})\nback = torch.tensor(json.loads(text)['maps'])",
    "file": "f = io.BytesIO(); np.save(f, out.detach().numpy())\nf.seek(0)\nback = torch.from_numpy(np.load(f))",
    "rows": "rows = [r.detach().numpy() for r in out]\nback = torch.from_numpy(np.stack(rows) / np.max(rows))",
    "element": "a = np.zeros(2); a[1] = float(out[0, 0])\na *= 2\nback = torch.as_tensor(a[::-1].copy())",
    "keyword": "a = np.clip(a=out.detach().numpy(), a_min=0, a_max=1)\nback = torch.from_numpy(a.astype('float32'))",
    "number": "n = out.sum().item(); m = {'n': [n, n / 2]}\nback = torch.tensor(m['n'])",
}


@pytest.mark.parametrize("way", WAYS)
def test_the_way_is_followed(way: str, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(f"{BEGIN}{WAYS[way]}\nback.sum().backward()\n")
    analysis = api.analyse(api.Task((str(file),), Loaded(Config(extend_select=("ALL",)), tmp_path)))
    found = found_in(in_child(traced.asked(Request(str(file)), analysis)))
    assert [f.range.start.line for f in found] == [BEGIN.count("\n") + 1], found


WRITTEN = """
import torch
import numpy as np
log = []
def t(name, value):
    log.append(name)
    return value
class Own:
    def __setitem__(self, index, value): log.append(("set", index, float(value)))
    def __getitem__(self, index): log.append(("get", index)); return 1.0
def f(a):
    d = {}
    t("object", a)[t("index", 0)] = t("value", 5.0)
    t("d", d)[t("key", "x")] = t("w", a[t("j", 1)])
    x = a
    x += 1
    x[t("low", 0):t("high", 2)] *= 2
    Own()[0] = a[0]
    Own()[1] += 1
    b, c = a[0], a[1:]
    c[...] = 7
    print(a, [*a, *[1.0]], {**{"k": a[0]}}, "%s" % a.sum(), a[np.newaxis, :, None].shape, a @ a, x is a, d)
    print(not a[0], -a[0], a[0] if a[0] > 3 else 0, (lambda k: k * a[0])(2), f"{a[0]:.1f}", [i for i in a if i > 7])
    try:
        a[99]
    except IndexError as error:
        print("IndexError", error)
    with np.errstate(all="ignore"):
        print(a / 0)
    def inner(*p, k=a[0], **kw): return p, k, kw, sorted(locals())
    print(inner(1, *[2], k=3, **{"z": 4}), (v := a[0]), v, [*map(str, a)], next(y for y in a))
print(f(torch.ones(3, requires_grad=True).detach().numpy().copy()), log)
"""


def test_rewritten_functions_do_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "written.py"
    file.write_text(WRITTEN)
    plans = {str(file.resolve()): Plan(lines=tuple(range(1, WRITTEN.count("\n") + 1)))}
    helper = Excursion()
    with contextlib.redirect_stdout(io.StringIO()) as plain:
        runpy.run_path(str(file))
    recording = Recording(Catalog.load())
    helper.tape = recording.mode
    with contextlib.redirect_stdout(io.StringIO()) as rewritten, imports.installed(plans, helper), recording:
        imports.run_script(str(file), plans, helper)
    assert helper.rewritten
    assert rewritten.getvalue() == plain.getvalue()
