"""Attributes of torch's layers that are plain data: `layer.in_features`, `conv.kernel_size`. No parameter goes into a number read there.

The names are those of all layers of torch.nn (torch 2.13; a test compares them).
"""

from __future__ import annotations

import re

from gradlint.static.store import MISSING
from gradlint.static.values import ListObj, Scalar, Val

NUMBERS = frozenset((
    "add_zero_attn", "affine", "align_corners", "alpha", "approximate", "batch_first", "beta", "bidirectional", "blank",
    "ceil_mode", "count_include_pad", "d_model", "delta", "dim", "div_value", "divisor_override", "downscale_factor",
    "dropout", "elementwise_affine", "embed_dim", "embedding_dim", "enable_nested_tensor", "end_dim", "eps", "full", "groups",
    "head_bias", "head_dim", "head_size", "hidden_size", "ignore_index", "in1_features", "in2_features", "in_channels",
    "in_features", "include_last_offset", "init", "inplace", "input_size", "k", "kdim", "keepdim", "label_smoothing", "lambd",
    "log_input", "log_target", "lower", "margin", "mask_check", "max_norm", "max_val", "min_val", "mode", "momentum",
    "n_classes", "n_clusters", "negative_slope", "nhead", "nonlinearity", "norm", "norm_first", "norm_type", "num_channels",
    "num_classes", "num_embeddings", "num_features", "num_groups", "num_heads", "num_layers", "num_parameters", "out_channels",
    "out_features", "p", "padding_idx", "padding_mode", "proj_size", "reduction", "return_indices", "scale_grad_by_freq",
    "shortlist_size", "sparse", "start_dim", "swap", "threshold", "track_running_stats", "transposed", "upper",
    "upscale_factor", "use_nested_tensor", "value", "vdim", "zero_infinity",
))  # fmt: skip
TUPLES = frozenset((
    "dilation", "kernel_size", "normalized_shape", "output_padding", "output_size", "padding", "scale_factor", "size", "stride",
))  # fmt: skip


#: of these what a library's model has under the name is no layer either (`model.norm` is one)
_SURE = re.compile(
    r"(?:features|channels|_size|_dim|_heads|_layers|_classes|_embeddings|_groups|stride|dilation|d_model|nhead)$"
)


def read(name: str, *, of_model: bool = False) -> Val:
    """What a layer, or a whole model of a library, has under that name if it is plain data; else nothing."""
    if of_model and _SURE.search(name) is None:
        return MISSING
    if name in NUMBERS:
        return Scalar()
    return ListObj([Scalar()], "tuple", True) if name in TUPLES else MISSING
