"""float16 weights on a CPU, computed in float32: half as much memory traffic per token.

A reply reads all weights once per token, so its speed depends on this. The kernels are FBGEMM's, which torch
includes on x86. Measured with the demo model on a Zen 5 with AVX512-BF16 in tokens per second for one reply,
for eight at once, and for reading a prompt, on one thread: float32 27, 121, 283; bfloat16 36, 190, 1041; this
62, 333, 427. Greedy replies equal those of float32 for 20 prompts of 20 (bfloat16: 10); int8 weights with
int8 activations were measured too, and ruin the replies. In memory, a layer's inputs are rounded up to a
multiple of 512, so narrow models do not shrink.

Imports torch: import it inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from backends.local.loading.shards import padded

_LARGEST = 65504.0
"""The largest float16."""
_SMALLEST_SCALE = 2.0**-12
"""Root mean square of weights down to which what float16 cannot tell from zero does not count."""


class HalfLinear(nn.Linear):
    """A linear layer with packed float16 weights; input and output are float32.

    Adapters treat it as the linear layer it is: `weight` unpacks a copy for code that inspects its shape.
    """

    def __init__(self, linear: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.register_parameter("bias", None if bias is None else nn.Parameter(bias, requires_grad=False))
        self.packed: Any = torch.ops.quantized.linear_prepack_fp16(
            linear.weight.detach().float().contiguous(), bias
        )

    @property
    def weight(self) -> torch.Tensor:  # type: ignore[override]
        unpacked: torch.Tensor = torch.ops.quantized.linear_unpack_fp16(self.packed)[0]
        return unpacked

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.ops.quantized.linear_dynamic_fp16(input, self.packed)
        return out


def pack(model: nn.Module, report: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Pack every linear layer of `model` in place; the rest becomes float32.

    Weights out of float16's range stay as they are. report: called with the number of weights packed so far
    and in total. A weight shared with the embedding is packed for the layer and kept for the embedding.
    """
    linear = [(name, module) for name, module in model.named_modules() if type(module) is nn.Linear]
    total, done = sum(module.weight.numel() for _, module in linear), 0
    while linear:
        # The list lets go of each layer, so that the old weights are gone before the next ones are packed.
        name, module = linear.pop(0)
        done += module.weight.numel()
        if _fits(module.weight):
            model.set_submodule(name, HalfLinear(module))
        report(done, total)
    _to_float32(model)


def nbytes(model: nn.Module) -> int:
    """Bytes of the weights of `model` in memory."""
    tensors = {id(tensor): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}
    packed = [module for module in model.modules() if isinstance(module, HalfLinear)]
    return sum(tensors.values()) + sum(2 * padded(layer.in_features) * layer.out_features for layer in packed)


def _fits(weight: torch.Tensor) -> bool:
    weight = weight.detach()
    if weight.dtype is torch.float16:
        return True
    largest = float(torch.linalg.vector_norm(weight, ord=math.inf))
    scale = float(torch.linalg.vector_norm(weight, dtype=torch.float32)) / math.sqrt(max(1, weight.numel()))
    return largest == 0 or (largest <= _LARGEST and scale >= _SMALLEST_SCALE)


def _to_float32(model: nn.Module) -> None:
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            # A copy also where it is float32 already: the old one keeps the whole file mapped.
            tensor.data = tensor.data.to(torch.float32, copy=True)
    config: Any = getattr(model, "config", None)
    if config is not None:
        config.dtype = torch.float32
