"""What the calls of `libraries.toml` may use: the scene of `canned`, a small classifier, images, files, and the library itself."""

from __future__ import annotations

import functools
import importlib
import io
import pickle
import tempfile
from contextlib import suppress
from types import ModuleType
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from tests.models.canned import Scene, scene


class Net(nn.Module):
    """A small classifier of images."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Any:
        """The scores."""
        return self.fc(self.pool(self.relu(self.conv(x))).flatten(1))


def operators() -> Any:
    """Declare what a torchvision that was built for another torch wants to find; to be kept alive."""
    library: Any = torch.library.Library
    declared = library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        with suppress(RuntimeError):
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return declared


def made(name: str, setup: str, kind: Literal["live", "dead"] = "live") -> Scene:
    """A scene with the library of a qualified name; skips the test where that is not installed."""
    found = library(name)
    here = scene(kind=kind)
    torch.manual_seed(1)
    photo: Tensor = here.names["photo"]
    here.names.update(
        io=io, tempfile=tempfile, functools=functools, net=Net().eval(), pic=photo.float()[None], label=torch.tensor([1]),
        picture=picture, picture_file=picture_file, pickled=pickled, backwarded=backwarded, entered=entered, kept=kept,
        sentence_folder=sentence_folder, lightning_run=lightning_run,
    )  # fmt: skip
    here.names[name.split(".")[0]] = found
    exec(setup, here.names)
    return here


def library(name: str) -> ModuleType:
    """The library, with as much of the path as are modules imported."""
    parts = name.split(".")
    found: ModuleType = pytest.importorskip(parts[0], exc_type=ImportError)
    for end in range(2, len(parts)):
        with suppress(ImportError):
            importlib.import_module(".".join(parts[:end]))
    return found


# --- what the calls use ----------------------------------------------------------------------------------------------


def picture() -> io.BytesIO:
    """A small PNG."""
    images: Any = importlib.import_module("PIL.Image")
    data = io.BytesIO()
    images.new("RGB", (8, 8), (90, 120, 30)).save(data, "png")
    data.seek(0)
    return data


def picture_file() -> str:
    """The same as a file."""
    path = f"{tempfile.mkdtemp()}/picture.png"
    with open(path, "wb") as file:
        file.write(picture().getvalue())
    return path


def pickled(value: object) -> io.BytesIO:
    """A pickle of a value."""
    return io.BytesIO(pickle.dumps(value))


def backwarded(net: nn.Module) -> list[Any]:
    """The parameters of a net after a backward."""
    net(torch.rand(1, 3, 8, 8)).sum().backward()
    return list(net.parameters())


def entered(context: Any) -> Any:
    """What a context manager gives."""
    with context as value:
        return value


def kept(thing: Any) -> str:
    """The folder that a model, a scheduler or a pipeline was saved to."""
    folder = tempfile.mkdtemp()
    thing.save_pretrained(folder)
    return folder


def sentence_folder(kind: str = "BertModel") -> str:
    """A folder with a tiny language model and its tokenizer."""
    transformers: Any = importlib.import_module("transformers")
    folder = tempfile.mkdtemp()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c"]
    with open(f"{folder}/vocab.txt", "w", encoding="utf-8") as file:
        file.write("\n".join(words))
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=len(words), num_labels=1, **sizes)
    transformers.BertTokenizerFast(f"{folder}/vocab.txt").save_pretrained(folder)
    getattr(transformers, kind)(config).save_pretrained(folder)
    return folder


class Run:
    """What a Lightning trainer does with a module: which hooks run with gradients, and whether its training step trains."""

    HOOKS = tuple(
        f"on_{stage}_{moment}"
        for stage in ("validation", "test", "predict")
        for moment in ("start", "end", "epoch_start", "epoch_end", "batch_start", "batch_end")
    )

    def __init__(self, base: Any) -> None:
        self.outputs: dict[str, Tensor] = {}
        self.given: dict[str, object] = {}
        module = self._module(base)
        package = importlib.import_module(base.__module__.partition(".core")[0])
        trainer = package.Trainer(
            max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            accelerator="cpu", devices=1,
        )  # fmt: skip
        batches: Any = [torch.rand(3) for _ in range(2)]
        data: Any = torch.utils.data.DataLoader(batches)
        before = module.fc.weight.detach().clone()
        trainer.fit(module, data, data)
        self.trained = not torch.equal(before, module.fc.weight)
        trainer.test(module, data, verbose=False)
        trainer.predict(module, data)
        self.module = module

    def _module(self, base: Any) -> Any:
        run = self

        class Lit(base):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.given("save_hyperparameters")
                self.fc = nn.Linear(3, 1)

            def given(self, name: str, *args: object) -> None:
                run.given[name] = getattr(self, name)(*args)

            def training_step(self, batch: Any, index: int) -> Any:
                optimizer = self.optimizers()
                self.given("log", "a", 1.0)
                self.given("log_dict", {"b": 1.0})
                self.given("print", "")
                self.given("toggle_optimizer", optimizer)
                self.given("untoggle_optimizer", optimizer)
                return self.fc(batch).sum()

            def validation_step(self, batch: Any, index: int) -> None:
                run.outputs["validation_step"] = self.fc(batch).sum()

            def test_step(self, batch: Any, index: int) -> None:
                run.outputs["test_step"] = self.fc(batch).sum()

            def predict_step(self, batch: Any, index: int) -> Any:
                run.outputs["predict_step"] = self.fc(batch).sum()
                return run.outputs["predict_step"]

            def configure_optimizers(self) -> Any:
                return torch.optim.SGD(self.parameters(), lr=1.0)

        def watched(name: str) -> Any:
            def hook(self: Any, *args: Any, **kwargs: Any) -> None:
                run.outputs[name] = self.fc.weight.sum()

            return hook

        for name in self.HOOKS:
            setattr(Lit, name, watched(name))
        return Lit()

    def made(self, hook: str) -> Tensor:
        """What a hook has computed from the module's parameters."""
        return self.outputs[hook]

    def gave(self, method: str) -> object:
        """What a method of the module gave."""
        return self.given[method]

    def gathered(self, tensor: Tensor) -> Any:
        """What `all_gather` makes of a tensor."""
        return self.module.all_gather(tensor)

    def backwarded(self, net: nn.Module, image: Tensor) -> None:
        """A manual backward."""
        self.module.automatic_optimization = False
        self.module.manual_backward(net(image).sum())


@functools.cache
def lightning_run(base: Any) -> Run:
    """The run of a module of this class; one for each library."""
    return Run(base)
