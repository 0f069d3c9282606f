"""What a trace costs, as ratios of CPU time: `python benchmarks/trace.py [--processes N] [--repeat N] [--only WORD]`.

Every workload runs plain, traced and under `detect_anomaly`, in turn, one thread; the shortest run of each way is compared with the
shortest plain one, because whatever else the machine does can only add to a run. This is done in several processes of their own:
from process to process Python's share of a tiny operation moves by a tenth (probably its cache of attributes of types, which depends
on where things lie in memory), and no number of repetitions in one process shows that.
The median of the processes is told, and their spread; *plain again* shows how far a ratio may
be off. Then the memory of a long training under a trace.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

import gradlint


class Block(nn.Module):
    """A residual block as ResNet-18 has them."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside),
        )  # fmt: skip
        same = stride == 1 and inside == outside
        self.short = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))
        )

    def forward(self, x: Any) -> Any:
        """The block."""
        return torch.relu(self.way(x) + self.short(x))


def resnet() -> nn.Module:
    """A net of ResNet-18's shape."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    inside = 64
    for outside, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(inside, outside, stride), Block(outside, outside, 1)]
        inside = outside
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def resnet_workload() -> Callable[[], None]:
    """ResNet-18, forward and backward, one image at 224."""
    net, image = resnet(), torch.randn(1, 3, 224, 224)

    def run() -> None:
        net(image).sum().backward()

    return run


def tiny_workload() -> Callable[[], None]:
    """2,800 tiny operations, forward and backward."""
    x = torch.randn(4, 16, requires_grad=True)

    def run() -> None:
        y = x
        for _ in range(700):
            y = (y * 1.001 + 0.001).tanh().clone()
        y.sum().backward()

    return run


def training_workload() -> Callable[[], None]:
    """100 steps of Adam on a small perceptron."""
    net = nn.Sequential(*(layer for _ in range(10) for layer in (nn.Linear(64, 64), nn.Tanh())))
    optimizer = torch.optim.Adam(net.parameters())
    data = torch.randn(32, 64)

    def run() -> None:
        for _ in range(100):
            optimizer.zero_grad()
            net(data).pow(2).mean().backward()
            optimizer.step()

    return run


@contextlib.contextmanager
def anomaly() -> Iterator[None]:
    """Torch's own anomaly detection."""
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        yield


WAYS: dict[str, Callable[[], Any]] = {
    "plain": contextlib.nullcontext,
    "plain again": contextlib.nullcontext,
    "trace": gradlint.trace,
    "trace, stop after the first backward": lambda: gradlint.trace(stop_after=1),
    "detect_anomaly": anomaly,
}
WORKLOADS = {
    "resnet18-like, 224, forward + backward": (resnet_workload, "trace", 1.15),
    "2,800 tiny operations": (tiny_workload, "trace", 1.5),
    "100 steps of training": (training_workload, "trace, stop after the first backward", 1.05),
}


def seconds(work: Callable[[], None], way: Callable[[], Any]) -> float:
    """CPU seconds of a workload in one way; putting the trace in place and writing its tape are not counted."""
    gc.collect()
    with way():
        begin = time.process_time()
        work()
        return time.process_time() - begin


def compare(title: str, repeat: int) -> dict[str, float]:
    """The ratios to the plain run, for each way, in this process."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work = WORKLOADS[title][0]()
    for way in WAYS.values():
        seconds(work, way)
    gc.freeze()  # torch itself need not be searched before every run
    shortest = dict.fromkeys(WAYS, float("inf"))
    for _ in range(repeat):
        for name, way in WAYS.items():
            shortest[name] = min(shortest[name], seconds(work, way))
    return {name: shortest[name] / shortest["plain"] for name in WAYS if name != "plain"}


def _in_use() -> float:
    """Megabytes that the process holds now; where the system does not tell, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 2**20


def memory(steps: int) -> list[float]:
    """Megabytes in use after each tenth of a long traced training."""
    net = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Linear(64, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    seen = []
    with gradlint.trace():
        for step in range(steps):
            optimizer.zero_grad()
            net(torch.randn(32, 64)).pow(2).mean().backward()
            optimizer.step()
            if step % (steps // 10) == steps // 10 - 1:
                seen.append(_in_use())
    return seen


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--only", default="", help="workloads whose title holds this")
    given = parser.parse_args()
    for title, (_, judged, limit) in WORKLOADS.items():
        if given.only not in title:
            continue
        print(title, flush=True)
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as fresh:
            seen = fresh.starmap(compare, [(title, given.repeat)] * given.processes, chunksize=1)
        for name in seen[0]:
            ratios = [of[name] for of in seen]
            goal = f"   at most {limit} wanted" if name == judged else ""
            print(f"  {name:38} {statistics.median(ratios):5.2f}  ({min(ratios):.2f} to {max(ratios):.2f}){goal}")
    told = ", ".join(f"{m:.0f}" for m in memory(1_000))
    print(f"1,000 traced steps, MiB in use after each 100: {told}")


if __name__ == "__main__":
    main()
