"""How to call what the hand-written rows describe: expressions over a few tensors, arrays and numbers.

Knows no row. To add one: an entry under the qualified name, or under the bare name for its arguments (the same for the
function and the method). What stands in neither is called with a single tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor


class Scene(msgspec.Struct, frozen=True):
    """Fresh values under short names, and the leaves that the tensors among them were made of, by the same names."""

    names: dict[str, Any]
    leaves: dict[str, Tensor]

    def run(self, expression: str) -> Any:
        """Evaluate an expression, always with the same random numbers."""
        torch.manual_seed(1)
        np.random.seed(1)
        return eval(expression, dict(self.names))


def scene(seed: int = 0, kind: Literal["live", "dead", "array"] = "live") -> Scene:
    """What every expression may use; another seed gives other values of the same shapes, but the same choices.

    x, y, v, s, q, image, single (float32) and z (complex) are tensors that require grad, tensors that do not, or arrays; X, Y, ... are always arrays.
    """
    torch.manual_seed(seed)
    leaves = {name: torch.rand(shape, dtype=_DTYPES.get(name, torch.float64)) * 0.7 + 0.2 for name, shape in _LEAVES.items()}
    arrays = {name: leaf.numpy().copy() for name, leaf in leaves.items()}
    for leaf in leaves.values():
        leaf.requires_grad_(kind == "live")
    held: dict[str, Any] = arrays if kind == "array" else {name: leaf.clone() for name, leaf in leaves.items()}
    upper = {name.upper(): array.copy() for name, array in arrays.items()}
    return Scene({**_MODULES, **_fixed(), **held, **upper}, leaves)


_LEAVES = {"x": (3, 4), "y": (3, 4), "v": (4,), "s": (), "q": (4, 4), "image": (1, 2, 6, 6), "single": (3, 4), "z": (3, 4)}
_DTYPES = {"single": torch.float32, "z": torch.complex128}
_MODULES = {"torch": torch, "np": np, "nn": torch.nn, "F": torch.nn.functional, "D": torch.distributions}


def _fixed() -> dict[str, Any]:
    """What selects and is not differentiated."""
    import copy
    import functools
    import math
    import operator
    import pickle
    import random
    import statistics

    modules = (copy, functools, math, operator, pickle, random, statistics)
    return {
        **{module.__name__: module for module in modules},
        "index": torch.tensor([[0, 1], [1, 0], [2, 2]]),
        "rows": torch.tensor([0, 2]),
        "flat": torch.tensor([1, 5, 7]),
        "mask": torch.tensor([[True, False, True, False]] * 3),
        "lengths": torch.tensor([4, 2]),
        "zeros": torch.zeros(3, 4, dtype=torch.float64),
    }


def expression(name: str, attribute: Callable[[str], bool]) -> str:
    """How to call `name` on the tensors of a scene. `attribute` tells an attribute from a method."""
    if name in CALLS:
        return CALLS[name]
    space, _, word = name.rpartition(".")
    arguments = ARGUMENTS.get(word, "")
    match space:
        case "torch.Tensor":
            return f"x.{word}" if attribute(name) else f"x.{word}({arguments})"
        case "numpy":
            return f"np.{word}({', '.join(filter(None, ('x', NUMPY.get(word, ''))))})"
        case "numpy.ndarray":
            return f"X.{word}" if attribute(name) else f"X.{word}({NUMPY.get(word, '')})"
        case "builtins" | "math" | "operator":
            return f"{word if space == 'builtins' else name}({', '.join(filter(None, ('s', PYTHON.get(word, ''))))})"
    return f"{name.replace('numpy.', 'np.')}({', '.join(filter(None, ('x', arguments)))})"


#: arguments after the first tensor, by bare name
ARGUMENTS: Mapping[str, str] = {
    "new_tensor": "y", "__contains__": "0.5", "equal": "y", "allclose": "y", "type_as": "zeros", "type": "torch.float32",
    "to": "torch.float32", "is_same_size": "y", "is_set_to": "y", "expand_as": "y", "view_as": "y", "reshape_as": "y",
    "sum_to_size": "1, 4", "bernoulli_": "y", "geometric_": "0.5", "fill_": "s", "fill": "s", "fill_diagonal_": "0.5",
    "copy_": "y", "resize_": "4, 3", "resize_as_": "y", "gather": "1, index", "index_select": "0, rows", "take": "flat", "take_along_dim": "index, 1",
    "masked_select": "mask", "masked_fill": "mask, s", "masked_fill_": "mask, s", "masked_scatter": "mask, y",
    "masked_scatter_": "mask, y", "scatter": "1, index, y[:, :2]", "scatter_": "1, index, y[:, :2]", "scatter_add": "1, index, y[:, :2]",
    "scatter_add_": "1, index, y[:, :2]", "scatter_reduce": "1, index, y[:, :2], 'sum'", "scatter_reduce_": "1, index, y[:, :2], 'sum'",
    "index_add": "0, rows, y[:2]", "index_add_": "0, rows, y[:2]", "index_copy": "0, rows, y[:2]",
    "index_copy_": "0, rows, y[:2]", "index_reduce": "0, rows, y[:2], 'mean'", "index_reduce_": "0, rows, y[:2], 'mean'",
    "index_fill": "0, rows, s", "index_fill_": "0, rows, s", "index_put": "(rows,), y[:2]", "index_put_": "(rows,), y[:2]",
    "put": "flat, y.flatten()[:3]", "put_": "flat, y.flatten()[:3]", "repeat_interleave": "torch.tensor([1, 2, 1]), 0",
    "max": "1", "min": "1", "median": "1", "nanmedian": "1", "mode": "1", "cummax": "1", "cummin": "1", "topk": "2",
    "kthvalue": "2", "bucketize": "v.sort().values", "multinomial": "2", "binomial": "y.round()", "new_full": "(2,), 1.5",
    "new_zeros": "(2,)", "new_ones": "(2,)", "new_empty": "(2,)", "new_empty_strided": "(2,), (1,)", "full_like": "1.5",
    "randint_like": "5", "eig": "", "__format__": "''", "grid_sample": "", "rename": "None", "rename_": "None",
    "as_subclass": "torch.Tensor",
}  # fmt: skip

_BITS = ("and", "or", "xor", "left_shift", "right_shift")

#: whole calls, by qualified name
CALLS: Mapping[str, str] = {
    "torch.Tensor": "torch.Tensor(single)", "torch.FloatTensor": "torch.FloatTensor(single)",
    "torch.DoubleTensor": "torch.DoubleTensor(x)", "torch.HalfTensor": "torch.HalfTensor(x.half())",
    "torch.BFloat16Tensor": "torch.BFloat16Tensor(x.bfloat16())", "torch.Tensor.new": "x.new(x)",
    "torch.Tensor.__getitem__": "x[0]", "torch.Tensor.__index__": "s.long().__index__()", "torch.Tensor.new_tensor": "x.new_tensor(y)",
    "torch.Tensor.__float__": "float(s)", "torch.Tensor.__int__": "int(s)", "torch.Tensor.__bool__": "bool(s)",
    "torch.Tensor.__complex__": "complex(s)", "torch.Tensor.item": "s.item()", "torch.scalar_tensor": "torch.scalar_tensor(s.item())",
    "torch.is_nonzero": "torch.is_nonzero(s)", "torch.Tensor.is_nonzero": "s.is_nonzero()", "torch.Tensor.T": "q.T",
    "torch.Tensor.H": "q.H", "torch.Tensor.imag": "z.imag", "torch.imag": "torch.imag(z)",
    "torch.Tensor.real": "z.real", "torch.real": "torch.real(z)",
    "torch.LongTensor": "torch.LongTensor(x.long())", "torch.IntTensor": "torch.IntTensor(x.int())",
    "torch.ShortTensor": "torch.ShortTensor(x.short())", "torch.CharTensor": "torch.CharTensor(x.char())",
    "torch.ByteTensor": "torch.ByteTensor(x.byte())", "torch.BoolTensor": "torch.BoolTensor(x.bool())",
    "torch.from_numpy": "torch.from_numpy(X)", "torch.frombuffer": "torch.frombuffer(bytearray(X.tobytes()), dtype=torch.float64)",
    "torch.sparse_coo_tensor": "torch.sparse_coo_tensor(index.T, v[:3], (4, 4))",
    "torch.quantize_per_tensor": "torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8)",
    "torch.quantize_per_tensor_dynamic": "torch.quantize_per_tensor_dynamic(x.float(), torch.qint8, False)",
    "torch.quantize_per_channel": "torch.quantize_per_channel(x.float(), torch.ones(3), torch.zeros(3), 0, torch.qint8)",
    "torch.dequantize": "torch.dequantize(torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8))",
    "torch.Tensor.dequantize": "torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8).dequantize()",
    "torch.Tensor.int_repr": "torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8).int_repr()",
    "torch.int_repr": "torch.int_repr(torch.quantize_per_tensor(x.float(), 0.1, 0, torch.qint8))",
    "torch.where": "torch.where(mask, x, y)", "torch.Tensor.where": "x.where(mask, y)",
    "torch.zeros": "torch.zeros(2)", "torch.ones": "torch.ones(2)", "torch.empty": "torch.empty(2)", "torch.rand": "torch.rand(2)",
    "torch.randn": "torch.randn(2)", "torch.full": "torch.full((2,), 1.5)", "torch.eye": "torch.eye(2)",
    "torch.logspace": "torch.logspace(0, 1, 3)", "torch.range": "torch.range(0, 1)", "torch.empty_strided": "torch.empty_strided((2,), (1,))",
    "torch.empty_permuted": "torch.empty_permuted((2,), (0,))", "torch.linspace": "torch.linspace(s, s + 1, 3)",
    "torch.arange": "torch.arange(s.item(), 3)", "torch.randint": "torch.randint(3, (2,), dtype=torch.float32)", "torch.randperm": "torch.randperm(3, dtype=torch.float32)",
    "torch.tril_indices": "torch.tril_indices(2, 2, dtype=torch.float32)", "torch.triu_indices": "torch.triu_indices(2, 2, dtype=torch.float32)",
    "torch.hann_window": "torch.hann_window(3)", "torch.hamming_window": "torch.hamming_window(3)",
    "torch.bartlett_window": "torch.bartlett_window(3)", "torch.blackman_window": "torch.blackman_window(3)",
    "torch.kaiser_window": "torch.kaiser_window(3)", "torch.result_type": "torch.result_type(x, y)",
    "torch.promote_types": "torch.promote_types(x.dtype, y.dtype)", "torch.can_cast": "torch.can_cast(x.dtype, y.dtype)",
    "torch.nn.functional.embedding": "F.embedding(rows, q)", "torch.embedding": "torch.embedding(q, rows)",
    "torch.nn.functional.embedding_bag": "F.embedding_bag(index, q, per_sample_weights=x[:, :2], mode='sum')",
    "torch.embedding_bag": "torch.embedding_bag(q, rows, torch.tensor([0]))",
    "torch.nn.utils.rnn.pack_padded_sequence": "nn.utils.rnn.pack_padded_sequence(x[:2].T[..., None], lengths).data",
    "torch.nn.utils.rnn.pad_packed_sequence":
        "nn.utils.rnn.pad_packed_sequence(nn.utils.rnn.pack_padded_sequence(x[:2].T[..., None], lengths))",
    "torch.nn.utils.rnn.pad_sequence": "nn.utils.rnn.pad_sequence([v, v[:2]])",
    "torch.nn.functional.multi_head_attention_forward": "nn.MultiheadAttention(4, 1, dtype=torch.float64)(x, x, x)",
    "torch.linalg.eig": "tuple(t.abs() for t in torch.linalg.eig(q))", "torch.nn.functional.one_hot": "F.one_hot((x * 10).long())",
    "torch.bincount": "torch.bincount((v * 10).long())", "torch.Tensor.bincount": "(v * 10).long().bincount()",
    "torch.histogram": "torch.histogram(v, 3)", "torch.Tensor.histogram": "v.histogram(3)",
    "torch.histogramdd": "torch.histogramdd(x, [2, 2, 2, 2])[0]", "torch.searchsorted": "torch.searchsorted(v.sort().values, x)",
    "torch.nonzero_static": "torch.nonzero_static(x, size=12)", "torch.Tensor.nonzero_static": "x.nonzero_static(size=12)",
    "torch.distributions.kl_divergence": "D.kl_divergence(D.Normal(x, y), D.Normal(y, x))",
    "torch.distributions.kl.kl_divergence": "D.kl.kl_divergence(D.Normal(x, y), D.Normal(y, x))",
    "torch.distributions.*": "D.Normal(x, y)", "torch.distributions.*.sample": "D.Normal(x, y).sample()",
    "torch.distributions.*.*.sample": "D.normal.Normal(x, y).sample()", "torch.distributions.*.sample_n": "D.Normal(x, y).sample_n(2)",
    "torch.distributions.*.*.sample_n": "D.normal.Normal(x, y).sample_n(2)", "torch.distributions.*.rsample": "D.Normal(x, y).rsample()",
    "torch.distributions.*.*.rsample": "D.normal.Normal(x, y).rsample()", "torch.distributions.*.log_prob": "D.Normal(x, y).log_prob(y)",
    "torch.distributions.*.*.log_prob": "D.normal.Normal(x, y).log_prob(y)", "torch.distributions.*.cdf": "D.Normal(x, y).cdf(y)",
    "torch.distributions.*.icdf": "D.Normal(x, y).icdf(y)", "torch.distributions.*.entropy": "D.Bernoulli(x).entropy()",
    "torch.distributions.*.*.entropy": "D.bernoulli.Bernoulli(x).entropy()",
    "torch.distributions.*.perplexity": "D.Normal(0.0, y).perplexity()",
    "torch.distributions.*.mean": "D.Normal(x, 1.0).mean", "torch.distributions.*.*.mean": "D.normal.Normal(x, 1.0).mean",
    "torch.distributions.*.variance": "D.Normal(0.0, y).variance", "torch.distributions.*.stddev": "D.Normal(0.0, y).stddev",
    "torch.distributions.*.mode": "D.Normal(x, 1.0).mode", "torch.distributions.*.loc": "D.Normal(x, 1.0).loc",
    "torch.distributions.*.scale": "D.Normal(0.0, y).scale", "torch.distributions.*.probs": "D.Bernoulli(x).probs",
    "torch.distributions.*.logits": "D.Bernoulli(x).logits", "torch.nn.init.*": "nn.init.normal_(x)",
    "torch.nn.init.calculate_gain": "nn.init.calculate_gain('relu')",
    "torch.nn.utils.parameters_to_vector": "nn.utils.parameters_to_vector([x, y])",
    "torch.nn.utils.vector_to_parameters": "nn.utils.vector_to_parameters(x.flatten(), [zeros])",
    **{f"torch.nn.utils.{name}": f"nn.utils.{name}(nn.Linear(2, 2).parameters(), {given})" for name, given in {
        "clip_grad_norm_": "1.0", "clip_grad_norm": "1.0", "clip_grads_with_norm_": "1.0, s.detach()",
    }.items()},
    "torch.nn.utils.get_total_norm": "nn.utils.get_total_norm([zeros])", 
    "torch.nn.functional.max_pool1d": "F.max_pool1d(image[0], 2, return_indices=True)",
    "torch.nn.functional.max_pool2d": "F.max_pool2d(image, 2, return_indices=True)",
    "torch.nn.functional.max_pool3d": "F.max_pool3d(image, 2, return_indices=True)",
    "torch.nn.functional.adaptive_max_pool1d": "F.adaptive_max_pool1d(image[0], 2, True)",
    "torch.nn.functional.adaptive_max_pool2d": "F.adaptive_max_pool2d(image, 2, True)",
    "torch.nn.functional.adaptive_max_pool3d": "F.adaptive_max_pool3d(image, 2, True)",
    "torch.nn.functional.fractional_max_pool2d": "F.fractional_max_pool2d(image, 2, 3, return_indices=True)",
    "torch.nn.functional.fractional_max_pool3d": "F.fractional_max_pool3d(image[None], (1, 2, 2), (1, 3, 3), return_indices=True)",
    "torch.nn.functional.max_pool1d_with_indices": "F.max_pool1d_with_indices(image[0], 2)",
    "torch.nn.functional.max_pool2d_with_indices": "F.max_pool2d_with_indices(image, 2)",
    "torch.nn.functional.max_pool3d_with_indices": "F.max_pool3d_with_indices(image, 2)",
    "torch.nn.functional.max_unpool1d": "F.max_unpool1d(*F.max_pool1d(image[0], 2, return_indices=True), 2)",
    "torch.nn.functional.max_unpool2d": "F.max_unpool2d(*F.max_pool2d(image, 2, return_indices=True), 2)",
    "torch.nn.functional.max_unpool3d": "F.max_unpool3d(*F.max_pool3d(image, 2, return_indices=True), 2)",
    **{f"torch.bitwise_{word}": f"torch.bitwise_{word}(index, index)" for word in _BITS},
    **{f"torch.Tensor.bitwise_{word}": f"index.bitwise_{word}(index)" for word in _BITS},
    **{f"torch.Tensor.bitwise_{word}_": f"index.bitwise_{word}_(index)" for word in _BITS},
    **{f"torch.{word}": f"torch.{word}(index, index)" for word in ("gcd", "lcm")},
    **{f"torch.Tensor.{word}": f"index.{word}(index)" for word in ("gcd", "lcm")},
    "torch.bitwise_not": "torch.bitwise_not(mask)", "torch.Tensor.bitwise_not": "mask.bitwise_not()",
    "torch.Tensor.bitwise_not_": "mask.bitwise_not_()", "torch.slogdet": "torch.slogdet(q)", "torch.Tensor.slogdet": "q.slogdet()",
    "torch.max_pool1d_with_indices": "torch.max_pool1d_with_indices(image[0], 2)",
    "torch.nn.functional.adaptive_max_pool1d_with_indices": "F.adaptive_max_pool1d_with_indices(image[0], 2)",
    "torch.nn.functional.adaptive_max_pool2d_with_indices": "F.adaptive_max_pool2d_with_indices(image, 2)",
    "torch.nn.functional.adaptive_max_pool3d_with_indices": "F.adaptive_max_pool3d_with_indices(image, 2)",
    "torch.nn.functional.fractional_max_pool2d_with_indices": "F.fractional_max_pool2d_with_indices(image, 2, 3)",
    "torch.nn.functional.fractional_max_pool3d_with_indices":
        "F.fractional_max_pool3d_with_indices(image[None], (1, 2, 2), (1, 3, 3))",
    "torch.max_pool1d": "torch.max_pool1d(image[0], 2)", "torch.max_pool2d": "torch.max_pool2d(image, 2)",
    "torch.max_pool3d": "torch.max_pool3d(image, 2)", "torch.Tensor.set_": "x.set_(y)",
    "numpy.array": "np.array(x)", "numpy.where": "np.where(mask, x, y)", "numpy.apply_along_axis": "np.apply_along_axis(np.sum, 0, x)",
    "numpy.linalg.*": "np.linalg.norm(x)", "numpy.fft.*": "np.fft.fft(x)", "numpy.ma.*": "np.ma.masked_less(X, 0.5)",
    "numpy.random.*": "np.random.normal(x)", "numpy.testing.*": "np.testing.assert_allclose(x, x)",
    "numpy.einsum": "np.einsum('ij,ij->i', x, x)", "numpy.dot": "np.dot(x, x.T)", "numpy.matmul": "np.matmul(x, x.T)",
    "numpy.convolve": "np.convolve(v, v)", "numpy.correlate": "np.correlate(v, v)", "numpy.vdot": "np.vdot(v, v)",
    "numpy.cross": "np.cross(x[:, :3], y[:, :3])", "numpy.polyval": "np.polyval([1.0, 2.0], x)",
    "numpy.interp": "np.interp(v, [0.0, 1.0], [0.0, 2.0])", "numpy.select": "np.select([mask], [x])",
    "numpy.piecewise": "np.piecewise(v, [v > 0.5], [1.0])", "numpy.compress": "np.compress([True, False, True], x, axis=0)",
    "numpy.extract": "np.extract(mask, x)", "numpy.choose": "np.choose([0, 1, 2], x)", "numpy.searchsorted": "np.searchsorted(v, 0.5)",
    "numpy.trim_zeros": "np.trim_zeros(v)", "numpy.stack": "np.stack([x, y])",
    "numpy.concatenate": "np.concatenate([x, y])", "numpy.concat": "np.concat([x, y])", "numpy.vstack": "np.vstack([x, y])",
    "numpy.hstack": "np.hstack([x, y])", "numpy.dstack": "np.dstack([x, y])", "numpy.column_stack": "np.column_stack([x, y])",
    "numpy.row_stack": "np.row_stack([x, y])", "numpy.block": "np.block([[x], [y]])", "numpy.meshgrid": "np.meshgrid(v, v)",
    "numpy.broadcast_arrays": "np.broadcast_arrays(x, y)", **{f"numpy.{name}": f"np.{name}(s)" for name in (
        "float16", "float32", "float64", "double", "single", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16",
        "uint32", "uint64",
    )},
    "numpy.ndarray.searchsorted": "V.searchsorted(0.5)", "numpy.zeros": "np.zeros(2)", "numpy.ones": "np.ones(2)", "numpy.empty": "np.empty(2)",
    "numpy.full": "np.full(2, 1.5)", "numpy.eye": "np.eye(2)", "numpy.identity": "np.identity(2)", "numpy.arange": "np.arange(3)",
    "numpy.indices": "np.indices((2, 2))", "numpy.ndarray": "np.ndarray(2)", "numpy.tri": "np.tri(2)",
    "numpy.tril_indices": "np.array(np.tril_indices(2))", "numpy.triu_indices": "np.array(np.triu_indices(2))",
    "numpy.hanning": "np.hanning(3)", "numpy.hamming": "np.hamming(3)", "numpy.bartlett": "np.bartlett(3)",
    "numpy.blackman": "np.blackman(3)", "numpy.kaiser": "np.kaiser(3, 1.0)", "numpy.ix_": "np.ix_([0, 1])[0]",
    "numpy.mgrid": "np.mgrid[0:2]", "numpy.ogrid": "np.ogrid[0:2]", "numpy.frombuffer": "np.frombuffer(b'12345678')",
    "numpy.fromstring": "np.fromstring('1 2', sep=' ')", "numpy.linspace": "np.linspace(s, 1, 3)",
    "numpy.logspace": "np.logspace(s, 1, 3)", "numpy.geomspace": "np.geomspace(s, 1, 3)",
    "numpy.random.seed": "np.random.seed(0)", "numpy.random.set_state": "np.random.set_state(np.random.get_state())",
    "numpy.random.default_rng": "np.random.default_rng(0)", "numpy.random.RandomState": "np.random.RandomState(0)",
    "numpy.random.Generator": "np.random.Generator(np.random.PCG64())", "numpy.random.get_state": "np.random.get_state()",
    "numpy.random.SeedSequence": "np.random.SeedSequence(0)", "numpy.random.shuffle": "np.random.shuffle(x)",
    "numpy.save": "np.save('/dev/null', x)", "numpy.savez": "np.savez('/dev/null', x)", "numpy.savetxt": "np.savetxt('/dev/null', x)",
    "numpy.savez_compressed": "np.savez_compressed('/dev/null', x)", "numpy.set_printoptions": "np.set_printoptions()",
    "numpy.seterr": "np.seterr()", "numpy.errstate": "np.errstate()", "numpy.printoptions": "np.printoptions()",
    "numpy.copyto": "np.copyto(X, x)", "numpy.fill_diagonal": "np.fill_diagonal(Q, v)", "numpy.put": "np.put(X, [0, 1], v)",
    "numpy.place": "np.place(X, X > 0, v)", "numpy.putmask": "np.putmask(X, X > 0, x)",
    "numpy.put_along_axis": "np.put_along_axis(X, np.zeros((3, 4), int), x, 1)", "numpy.finfo": "np.finfo(np.float32)",
    "numpy.iinfo": "np.iinfo(np.int32)", "numpy.dtype": "np.dtype('f4')", "numpy.result_type": "np.result_type('f4', 'f8')",
    "numpy.issubdtype": "np.issubdtype(np.float32, np.floating)", "numpy.broadcast_shapes": "np.broadcast_shapes((2,), (1,))",
    "numpy.lib.stride_tricks.as_strided": "np.lib.stride_tricks.as_strided(x)", "numpy.isscalar": "np.isscalar(x)",
    "numpy.hsplit": "np.hsplit(x, 2)", "numpy.vsplit": "np.vsplit(x, 3)", "numpy.dsplit": "np.dsplit(image[0], 2)",
    "numpy.take_along_axis": "np.take_along_axis(x, np.zeros((3, 4), int), 1)", "numpy.histogramdd": "np.histogramdd(x, 2)",
    "math.*": "math.exp(s)", "cmath.*": "__import__('cmath').exp(s)", "statistics.*": "statistics.fmean(v)",
    "random.choice": "random.choice([x])", "random.sample": "random.sample([x], 1)", "random.choices": "random.choices([x])",
    **{f"random.{name}": f"random.{name}({given})" for name, given in {
        "random": "", "uniform": "0, 1", "randint": "0, 3", "randrange": "3", "gauss": "0, 1", "normalvariate": "0, 1",
        "betavariate": "1, 1", "expovariate": "1", "triangular": "0, 1", "getrandbits": "3", "shuffle": "[1, 2]",
    }.items()},
    "random.seed": "random.seed(0)", "random.setstate": "random.setstate(random.getstate())",
    "decimal.Decimal": "__import__('decimal').Decimal(s.item())", "fractions.Fraction": "__import__('fractions').Fraction(s.item())",
    "copy.copy": "copy.copy(x)", "builtins.sum": "sum([x, y])", "builtins.max": "max([s])", "builtins.min": "min([s])",
    "builtins.reversed": "reversed(x)", "builtins.round": "round(s.item(), 2)", "builtins.divmod": "divmod(s.item(), 2)",
    "builtins.isinstance": "isinstance(x, torch.Tensor)", "builtins.issubclass": "issubclass(type(x), torch.Tensor)",
    "builtins.hasattr": "hasattr(x, 'grad')", "builtins.print": "print(end='')", "builtins.len": "len(x)",
    "builtins.format": "format(s, '.2f')", "array.array": "__import__('array').array('d', v)",
    "operator.index": "operator.index(s.long())", "operator.matmul": "operator.matmul(q, q)", "operator.imatmul": "operator.matmul(q, q)",
    "operator.iadd": "operator.iadd(x, y)", "operator.isub": "operator.isub(x, y)", "operator.imul": "operator.imul(x, y)",
    "operator.itruediv": "operator.itruediv(x, y)", "operator.ipow": "operator.ipow(x, 2)",
}  # fmt: skip

#: further arguments of NumPy's functions and methods, by bare name
NUMPY: Mapping[str, str] = {
    "append": "y", "reshape": "(4, 3)", "transpose": "(1, 0)", "permute_dims": "(1, 0)", "expand_dims": "0", "broadcast_to": "(2, 3, 4)",
    "tile": "2", "repeat": "2", "resize": "(2, 2)", "roll": "1", "pad": "1", "delete": "0", "insert": "0, 1.0", "moveaxis": "0, 1",
    "rollaxis": "1", "flip": "0", "astype": "np.float32", "take": "[0, 1]", "partition": "1", "argpartition": "1", "swapaxes": "0, 1",
    "split": "3", "array_split": "2", "digitize": "[0.1, 0.5]", "isclose": "y", "isin": "[1.0]", "allclose": "y", "array_equal": "y",
    "clip": "0.3, 0.6", "maximum": "y", "minimum": "y", "fmax": "y", "fmin": "y", "heaviside": "y", "greater": "y", "less": "y",
    "greater_equal": "y", "less_equal": "y", "equal": "y", "not_equal": "y", "logical_and": "y", "logical_or": "y", "logical_xor": "y",
    "add": "y", "subtract": "y", "divide": "y", "true_divide": "y", "floor_divide": "y", "power": "2", "float_power": "2", "mod": "y",
    "remainder": "y", "fmod": "y", "hypot": "y", "arctan2": "y", "logaddexp": "y", "logaddexp2": "y", "copysign": "y",
    "nextafter": "y", "multiply": "y", "inner": "y", "outer": "y", "tensordot": "y", "kron": "y", "percentile": "50",
    "quantile": "0.5", "nanpercentile": "50", "nanquantile": "0.5", "full_like": "1.5", "dot": "X.T", "compress": "[True], 0",
    "searchsorted": "0.5", "item": "0", "put": "0, 1.0", "fill": "0.0", "tofile": "'/dev/null'", "dump": "'/dev/null'", "setflags": "write=True",
}  # fmt: skip

#: further arguments of Python's functions
PYTHON: Mapping[str, str] = {
    "pow": "2", "add": "v", "sub": "v", "mul": "v", "truediv": "v", "floordiv": "v", "mod": "v", "gt": "v", "ge": "v", "lt": "v",
    "le": "v", "eq": "v", "ne": "v",
}  # fmt: skip

#: how to build and call a module
MODULES: Mapping[str, str] = {
    "Embedding": "nn.Embedding(5, 3)|rows", "EmbeddingBag": "nn.EmbeddingBag(5, 3)|index", "RNN": "nn.RNN(4, 3)|x.float()",
    "GRU": "nn.GRU(4, 3)|x.float()", "LSTM": "nn.LSTM(4, 3)|x.float()", "LSTMCell": "nn.LSTMCell(4, 3)|x.float()",
    "MultiheadAttention": "nn.MultiheadAttention(4, 1)|x.float(), x.float(), x.float()",
    "AdaptiveLogSoftmaxWithLoss": "nn.AdaptiveLogSoftmaxWithLoss(4, 6, [3])|x.float(), torch.tensor([0, 1, 4])",
    "MaxPool1d": "nn.MaxPool1d(2, return_indices=True)|image[0]", "MaxPool2d": "nn.MaxPool2d(2, return_indices=True)|image",
    "MaxPool3d": "nn.MaxPool3d(2, return_indices=True)|image", "AdaptiveMaxPool1d": "nn.AdaptiveMaxPool1d(2, True)|image[0]",
    "AdaptiveMaxPool2d": "nn.AdaptiveMaxPool2d(2, True)|image", "AdaptiveMaxPool3d": "nn.AdaptiveMaxPool3d(2, True)|image",
    "FractionalMaxPool2d": "nn.FractionalMaxPool2d(2, 3, return_indices=True)|image",
    "FractionalMaxPool3d": "nn.FractionalMaxPool3d((1, 2, 2), (1, 3, 3), return_indices=True)|image[None]",
    "MaxUnpool1d": "nn.MaxUnpool1d(2)|*F.max_pool1d(image[0], 2, return_indices=True)",
    "MaxUnpool2d": "nn.MaxUnpool2d(2)|*F.max_pool2d(image, 2, return_indices=True)",
    "MaxUnpool3d": "nn.MaxUnpool3d(2)|*F.max_pool3d(image, 2, return_indices=True)", "Unflatten": "nn.Unflatten(1, (2, 2))|x",
    "ChannelShuffle": "nn.ChannelShuffle(2)|image", "PixelShuffle": "nn.PixelShuffle(2)|image.repeat(1, 2, 1, 1)",
    "PixelUnshuffle": "nn.PixelUnshuffle(2)|image", "Fold": "nn.Fold((2, 2), 2)|q[:, :1]", "Unfold": "nn.Unfold(2)|image",
    "Upsample": "nn.Upsample(scale_factor=2)|image", "UpsamplingBilinear2d": "nn.UpsamplingBilinear2d(scale_factor=2)|image",
    "UpsamplingNearest2d": "nn.UpsamplingNearest2d(scale_factor=2)|image", "Dropout1d": "nn.Dropout1d()|image[0]",
    "Dropout2d": "nn.Dropout2d(0.2)|image", "Dropout3d": "nn.Dropout3d(0.2)|image", "FeatureAlphaDropout": "nn.FeatureAlphaDropout(0.2)|image",
    "CosineSimilarity": "nn.CosineSimilarity()|x, y", "PairwiseDistance": "nn.PairwiseDistance()|x, y", "CrossMapLRN2d": "nn.CrossMapLRN2d(2)|image",
    "TripletMarginLoss": "nn.TripletMarginLoss()|x, y, x * 2", "NLLLoss2d": "nn.NLLLoss2d()|image, torch.zeros(1, 6, 6).long()",
    "TripletMarginWithDistanceLoss": "nn.TripletMarginWithDistanceLoss()|x, y, x * 2",
    "TransformerDecoder": "nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 1), 1)|x.float(), y.float()",
    "LazyLinear": "nn.LazyLinear(2)|x.float()", "SyncBatchNorm": "nn.SyncBatchNorm(2).eval()|image.float()",
    "LazyBatchNorm1d": "nn.LazyBatchNorm1d()|x.float()", "LazyBatchNorm2d": "nn.LazyBatchNorm2d()|image.float()",
    "LazyBatchNorm3d": "nn.LazyBatchNorm3d()|image[None].float()",
    "LazyInstanceNorm1d": "nn.LazyInstanceNorm1d(affine=True)|image[0].float()",
    "LazyInstanceNorm2d": "nn.LazyInstanceNorm2d(affine=True)|image.float()",
    "LazyInstanceNorm3d": "nn.LazyInstanceNorm3d(affine=True)|image[None].float()",
}  # fmt: skip

#: what cannot be run here, and why
NOT_RUN: Mapping[str, str] = {
    "torch.cuda.*": "no GPU", "torch.Tensor.cuda": "no GPU", "torch.Tensor.xpu": "no such device", "torch.Tensor.mtia": "no such device",
    "torch.Tensor.ipu": "no such device", "torch.Tensor.pin_memory": "no accelerator", "torch.Tensor.is_distributed": "removed from torch",
    "torch.backends.*": "asks the machine", "torch.distributed.*": "needs a process group", "torch.hub.*": "needs the network",
    "torch.load": "reads a file", "torch.jit.*": "reads or writes a file", "safetensors.*": "not installed",
    "torch.save": "writes a file", "torch.onnx.*": "writes a file", "torch.from_file": "reads a file",
        "torch.Tensor.sparse_dim": "sparse tensors", "torch.Tensor.dense_dim": "sparse tensors", "torch.Tensor.is_coalesced": "sparse tensors",
    "torch.Tensor.qscheme": "quantised tensors", "torch.Generator": "no tensor in or out", "torch.cuda.is_available": "no tensor in or out",
    "torch.nn.utils.clip_grad_value_": "wants gradients", "numpy.bincount": "wants integers", "numpy.load": "reads a file",
    "numpy.loadtxt": "reads a file", "numpy.genfromtxt": "reads a file", "numpy.fromfile": "reads a file", "numpy.memmap": "reads a file",
    "numpy.astype": "refuses tensors", "numpy.ndarray.itemset": "removed from NumPy", "numpy.ndarray.resize": "owns no data here",
    "numpy.ndarray.flat": "an iterator", "numpy.ndarray.base": "None here", "numpy.ndarray.data": "a memory view",
    "numpy.matrix": "deprecated", "pickle.dumps": "bytes", "json.dumps": "refuses tensors",
}  # fmt: skip
