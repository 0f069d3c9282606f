"""What a path names as a cause beside the cut: where a mode was entered, a module copied, a capture filled again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gradlint.api import check
from gradlint.config import Config

FIXTURES = Path(__file__).parents[1] / "fixtures"
CONTEXTS = {
    "generator": """
@contextlib.contextmanager
def frozen():
    with torch.no_grad():
        yield
""",
    "class": """
class frozen:
    def __enter__(self):
        self.before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)

    def __exit__(self, *error):
        torch.set_grad_enabled(self.before)
""",
    "kept": """
class frozen:
    def __enter__(self):
        self.guard = torch.inference_mode()
        self.guard.__enter__()

    def __exit__(self, *error):
        self.guard.__exit__(*error)
""",
}
UNDER = """
layer = torch.nn.Linear(3, 1)
with frozen():
    lost = layer(torch.randn(2, 3))
live = layer(torch.randn(2, 3))
live.sum().backward()
lost.sum().backward()
"""
COPIED = """
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
caught = []
model = copy.deepcopy(net).eval()
net[0].register_forward_hook(lambda module, inputs, output: caught.append(output))
model(torch.rand(1, 3))[0, 1].backward()
weights = caught[0].mean()
"""
MADE = """
def built():
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))


caught = []
net = built()
layer = built()[0]
layer.register_forward_hook(lambda module, inputs, output: caught.append(output))
net(torch.rand(1, 3))[0, 1].backward()
weights = caught[0].mean()
"""
FILLED = """
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
caught = {}


def keep(module, inputs, output):
    caught["hidden"] = output


net[0].register_forward_hook(keep)
image = torch.rand(1, 3)
score = net(image)[0, 1]
gap = score - net(image.roll(1))[0, 1].detach()
(gradient,) = torch.autograd.grad(score, caught["hidden"])
"""
SLICED = """
class Field(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, points):
        return torch.tanh(self.layer(points))


field = Field()
points = torch.rand(5, 2, requires_grad=True)
x = points[:, 0:1]
u = field(points)
torch.autograd.grad(u.sum(), x)
"""
TAKEN = """
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
model, caught = copy.deepcopy(net), []
layer = net[0]


def watch(module):
    module.register_forward_hook(lambda module, inputs, output: caught.append(output))


watch(layer)
model(torch.rand(1, 3))[0, 1].backward()
weights = caught[0].mean()
"""
FORGOTTEN = """
net, seen = torch.nn.Linear(3, 2), torch.randn(4, 3)


def scores(given):
    logits = net(seen)
    found = torch.relu(logits)
    return found[:, 1]


def again(given):
    return scores(given)


point = torch.randn(4, 3, requires_grad=True)
torch.autograd.grad(again(point).sum(), point)
"""
#: programs that fail in silence
SILENT = {
    "replaced": ("""
def adapt(net):
    net.head = torch.nn.Linear(4, 2)


optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
adapt(net)
fit(net, optimizer)
""", "adapt(net)"),
    "frozen": ("""
def keep(net, *words):
    for name, weights in net.named_parameters():
        weights.requires_grad = any(word in name for word in words)


net.head = torch.nn.Linear(4, 2)
keep(net, "body", "classifier")
fit(net, torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1))
""", 'keep(net, "body", "classifier")'),
}  # fmt: skip
SETTING = """
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 5)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


def fit(net, optimizer):
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.randn(6, 3)).pow(2).mean().backward()
        optimizer.step()


net = Net()
"""
PROGRAMS = [
    *(pytest.param(body + UNDER, "grad-disabled", "with frozen():", id=name) for name, body in CONTEXTS.items()),
    pytest.param(COPIED, "dead-hook", "model = copy.deepcopy(net).eval()", id="copied"),
    pytest.param(MADE, "dead-hook", "layer = built()[0]", id="made"),
    pytest.param(FILLED, "off-path-target", "gap = score - net(image.roll(1))[0, 1].detach()", id="filled"),
    pytest.param(SLICED, "off-path-target", "u = field(points)", id="sliced"),
    pytest.param(TAKEN, "dead-hook", "layer = net[0]", id="taken"),
    pytest.param(FORGOTTEN, "off-path-target", "    return found[:, 1]", id="forgotten"),
]


@pytest.mark.parametrize(("program", "rule", "line"), PROGRAMS)
def test_the_line_is_a_cause_of_what_fails(program: str, rule: str, line: str, tmp_path: Path) -> None:
    text = "import contextlib\nimport copy\n\nimport torch\n\n" + program
    (tmp_path / "main.py").write_text(text)
    with pytest.raises((RuntimeError, IndexError)):
        exec(compile(text, "main.py", "exec"), {})

    (finding,) = check([tmp_path], Config()).findings

    causes = [text.splitlines()[s.range.start.line - 1] for s in finding.path if s.role == "cause"]
    assert finding.rule == rule
    assert line in causes


@pytest.mark.parametrize(("program", "line"), SILENT.values(), ids=SILENT)
def test_the_call_is_a_cause_of_what_is_silent(program: str, line: str, tmp_path: Path) -> None:
    text = "import torch\n\n" + SETTING + program
    (tmp_path / "main.py").write_text(text)
    scope: dict[str, Any] = {}
    exec(compile(text.replace("    for _ in range(2):", "    before = net.head.weight.detach().clone()\n    for _ in range(2):")
                 .replace("        optimizer.step()\n", "        optimizer.step()\n    assert before.equal(net.head.weight)\n"),
                 "main.py", "exec"), scope)  # fmt: skip

    (finding,) = check([tmp_path], Config()).findings

    causes = [text.splitlines()[s.range.start.line - 1] for s in finding.path if s.role == "cause"]
    assert finding.rule == "untrained-module"
    assert line in causes


@pytest.mark.parametrize(
    ("fixture", "line"),
    [
        ("reach/stopped_copy_of_the_fake.py", "        fooled = F.softplus(-self.judge(self.still)).mean()"),
        ("reach/probe_session/session.py", "        return partial(relevance, net, notes)"),
        ("reach/frozen_for_a_measure.py", "    with at_rest(model.encoder) as encoder:"),
    ],
)
def test_what_the_program_mistook_or_ended_too_early_is_a_cause(fixture: str, line: str) -> None:
    file = FIXTURES / fixture
    (finding,) = check([file if file.parent.name == "reach" else file.parent], Config()).findings

    causes = [(s.file, s.range.start.line) for s in finding.path if s.role == "cause"]
    lines = file.read_text().splitlines()
    assert line in [lines[number - 1] for name, number in causes if name.endswith(file.name)]


def test_what_cuts_by_itself_under_a_mode_is_not_caused_by_it(tmp_path: Path) -> None:
    live = "live = torch.nn.Linear(3, 1)(torch.randn(2, 3))\nwith frozen():\n    lost = live.argmax()\nlost.float().backward()\n"
    (tmp_path / "main.py").write_text("import contextlib\nimport torch\n" + CONTEXTS["generator"] + live)

    (finding,) = check([tmp_path], Config()).findings

    assert finding.rule == "non-differentiable"
    assert not [s for s in finding.path if s.role == "cause"]
